//! Words that programs put where a name belongs: for "no name", for the state of a device, and for its kind. Tables of
//! many products and languages have them, so each list is open: a word that is missing does little harm, because a
//! value that several addresses share is no name either (see [`super::table`]).
//!
//! Words are compared in lower case, with one space in place of everything that is neither a letter nor a digit.

use dot11::MacAddr;

use crate::vendor;

/// Texts that stand for "no name" wherever they are.
const NO_NAME: &[&str] = &[
    // English, and what programming languages print.
    "unknown",
    "unknow",
    "unnamed",
    "untitled",
    "undefined",
    "undef",
    "unresolved",
    "unidentified",
    "not identified",
    "unknown device",
    "unknown host",
    "unknown name",
    "unknown client",
    "unknown hostname",
    "name unknown",
    "no name",
    "noname",
    "no hostname",
    "no host name",
    "name not found",
    "not found",
    "host not found",
    "not named",
    "not set",
    "not known",
    "not available",
    "not applicable",
    "not resolved",
    "unavailable",
    "none",
    "null",
    "nil",
    "nan",
    "n a",
    "na",
    "tbd",
    "nxdomain",
    "no data",
    "localhost",
    "localhost localdomain",
    "ip6 localhost",
    // German, Dutch, Scandinavian, Finnish.
    "unbekannt",
    "unbenannt",
    "namenlos",
    "kein name",
    "kein hostname",
    "ohne name",
    "nicht bekannt",
    "nicht verfügbar",
    "nicht gefunden",
    "name nicht gefunden",
    "nicht vorhanden",
    "keine angabe",
    "k a",
    "keine",
    "keiner",
    "onbekend",
    "naamloos",
    "geen",
    "geen naam",
    "zonder naam",
    "niet beschikbaar",
    "niet gevonden",
    "naam niet gevonden",
    "n v t",
    "nvt",
    "okänd",
    "okänt",
    "inget namn",
    "namnlös",
    "saknas",
    "hittades inte",
    "ukendt",
    "ukjent",
    "intet navn",
    "uden navn",
    "uten navn",
    "ingen navn",
    "navnløs",
    "ikke fundet",
    "ikke funnet",
    "ingen",
    "tuntematon",
    "ei nimeä",
    "nimetön",
    "ei saatavilla",
    "ei löydy",
    "óþekkt",
    // French, Spanish, Catalan, Italian, Portuguese, Romanian.
    "inconnu",
    "inconnue",
    "sans nom",
    "aucun",
    "aucune",
    "aucun nom",
    "non disponible",
    "non défini",
    "indéfini",
    "introuvable",
    "nom introuvable",
    "non trouvé",
    "nom non trouvé",
    "non renseigné",
    "non nommé",
    "n d",
    "desconocido",
    "desconocida",
    "sin nombre",
    "ninguno",
    "ninguna",
    "no disponible",
    "no encontrado",
    "nombre no encontrado",
    "no definido",
    "sin definir",
    "indefinido",
    "desconegut",
    "sense nom",
    "sconosciuto",
    "sconosciuta",
    "senza nome",
    "nessuno",
    "nessun nome",
    "non disponibile",
    "non trovato",
    "nome non trovato",
    "non definito",
    "ignoto",
    "desconhecido",
    "desconhecida",
    "sem nome",
    "nenhum",
    "nenhuma",
    "não disponível",
    "indisponível",
    "não encontrado",
    "nome não encontrado",
    "não definido",
    "necunoscut",
    "necunoscută",
    "fără nume",
    "niciunul",
    // Slavic and Baltic languages, Hungarian, Greek, Turkish.
    "nieznany",
    "nieznana",
    "nieznane",
    "brak",
    "brak nazwy",
    "bez nazwy",
    "brak danych",
    "nie znaleziono",
    "neznámý",
    "neznámé",
    "neznámá",
    "bez názvu",
    "žádný",
    "nenalezeno",
    "neznámy",
    "neznáme",
    "žiadny",
    "nepoznat",
    "nepoznato",
    "bez imena",
    "neznan",
    "neznano",
    "неизвестно",
    "неизвестный",
    "неизвестное",
    "неизвестная",
    "неизвестен",
    "без имени",
    "нет имени",
    "имя не найдено",
    "не найдено",
    "не определено",
    "не задано",
    "нет",
    "нет данных",
    "безымянный",
    "невідомо",
    "невідомий",
    "без імені",
    "немає",
    "не знайдено",
    "непознат",
    "без име",
    "nežinoma",
    "nežinomas",
    "nezināms",
    "tundmatu",
    "ismeretlen",
    "névtelen",
    "nincs",
    "nincs név",
    "άγνωστο",
    "άγνωστος",
    "άγνωστη",
    "χωρίς όνομα",
    "bilinmiyor",
    "bilinmeyen",
    "isimsiz",
    "adsız",
    "yok",
    "bulunamadı",
    // Asian languages, Arabic, Persian, Hebrew.
    "未知",
    "未命名",
    "无",
    "無",
    "无名称",
    "無名稱",
    "无名",
    "無名",
    "不详",
    "不明",
    "未找到",
    "未设置",
    "未設定",
    "名称未設定",
    "名前なし",
    "なし",
    "알 수 없음",
    "알수없음",
    "이름 없음",
    "없음",
    "không xác định",
    "không rõ",
    "không có tên",
    "tidak diketahui",
    "tidak dikenal",
    "tanpa nama",
    "ไม่ทราบ",
    "ไม่มีชื่อ",
    "अज्ञात",
    "غير معروف",
    "ناشناس",
    "לא ידוע",
];

/// Words with which the default name of a table begins, such as `Unbekanntes Gerät 7`.
const UNKNOWN: &[&str] = &[
    "unknown",
    "unnamed",
    "unidentified",
    "unbekannt",
    "unbekannte",
    "unbekannter",
    "unbekanntes",
    "unbenanntes",
    "onbekend",
    "onbekende",
    "okänd",
    "ukendt",
    "ukjent",
    "tuntematon",
    "nieznane",
    "nieznany",
    "neznámé",
    "neznámý",
    "neznáme",
    "nepoznati",
    "неизвестное",
    "неизвестный",
    "неизвестно",
    "невідомий",
    "ismeretlen",
    "άγνωστη",
    "bilinmeyen",
];

/// The same words of languages that put them last, or write no spaces.
const UNKNOWN_ENDS: &[&str] = &[
    "inconnu",
    "inconnue",
    "desconocido",
    "desconocida",
    "sconosciuto",
    "sconosciuta",
    "desconhecido",
    "desconhecida",
    "necunoscut",
    "desconegut",
    "不明",
    "不明なデバイス",
    "不明な機器",
    "未知设备",
    "未知設備",
    "未知裝置",
    "未知装置",
    "未知主机",
    "알 수 없는 기기",
    "알 수 없는 장치",
];

/// States, answers and kinds of connection, which a table may have in any column.
const STATES: &[&str] = &[
    "online",
    "offline",
    "up",
    "down",
    "active",
    "inactive",
    "connected",
    "disconnected",
    "not connected",
    "enabled",
    "disabled",
    "yes",
    "no",
    "y",
    "n",
    "on",
    "off",
    "true",
    "false",
    "home",
    "not home",
    "away",
    "present",
    "absent",
    "idle",
    "reachable",
    "unreachable",
    "stale",
    "delay",
    "probe",
    "failed",
    "permanent",
    "incomplete",
    "allowed",
    "allow",
    "blocked",
    "denied",
    "paused",
    "new",
    "known",
    "seen",
    "authorized",
    "unauthorized",
    "approved",
    "pending",
    "static",
    "dynamic",
    "automatic",
    "manual",
    "dhcp",
    "reserved",
    "reservation",
    "expired",
    "leased",
    "wired",
    "wireless",
    "wifi",
    "wi fi",
    "ethernet",
    "lan",
    "wlan",
    "wan",
    "bluetooth",
    "2 4 ghz",
    "2 4ghz",
    "2 4g",
    "5 ghz",
    "5ghz",
    "5g",
    "6 ghz",
    "6ghz",
    "infinite",
    "hidden",
    "empty",
    "invalid",
    "error",
    "missing",
    "default",
    "generic",
    "other",
    "ok",
    "good",
    "device",
    "network device",
    "new device",
    "generic device",
    "client",
    "host",
    "aktiv",
    "inaktiv",
    "verbunden",
    "getrennt",
    "nicht verbunden",
    "angemeldet",
    "abgemeldet",
    "erreichbar",
    "nicht erreichbar",
    "gesperrt",
    "erlaubt",
    "anwesend",
    "abwesend",
    "ja",
    "nein",
    "an",
    "aus",
    "neu",
    "kabel",
    "gerät",
    "netzwerkgerät",
    "neues gerät",
    "actif",
    "inactif",
    "connecté",
    "déconnecté",
    "non connecté",
    "en ligne",
    "hors ligne",
    "oui",
    "non",
    "bloqué",
    "autorisé",
    "filaire",
    "activo",
    "inactivo",
    "conectado",
    "desconectado",
    "no conectado",
    "en línea",
    "sin conexión",
    "sí",
    "si",
    "bloqueado",
    "permitido",
    "attivo",
    "inattivo",
    "connesso",
    "disconnesso",
    "non connesso",
    "in linea",
    "non in linea",
    "sì",
    "ativo",
    "inativo",
    "sim",
    "não",
    "desligado",
    "ligado",
    "actief",
    "inactief",
    "verbonden",
    "niet verbonden",
    "nee",
    "ansluten",
    "frånkopplad",
    "nej",
    "tilsluttet",
    "tilkoblet",
    "frakoblet",
    "nei",
    "yhdistetty",
    "kyllä",
    "ei",
    "aktywny",
    "nieaktywny",
    "połączony",
    "rozłączony",
    "tak",
    "nie",
    "aktivní",
    "neaktivní",
    "připojeno",
    "odpojeno",
    "ano",
    "ne",
    "подключен",
    "подключено",
    "отключен",
    "отключено",
    "активен",
    "неактивен",
    "активный",
    "в сети",
    "не в сети",
    "онлайн",
    "офлайн",
    "да",
    "підключено",
    "відключено",
    "так",
    "ні",
    "csatlakoztatva",
    "igen",
    "nem",
    "bağlı",
    "bağlı değil",
    "çevrimiçi",
    "çevrimdışı",
    "evet",
    "hayır",
    "在线",
    "离线",
    "在線",
    "離線",
    "已连接",
    "未连接",
    "已連線",
    "未連線",
    "是",
    "否",
    "启用",
    "禁用",
    "有线",
    "无线",
    "オンライン",
    "オフライン",
    "接続中",
    "接続済み",
    "未接続",
    "有効",
    "無効",
    "有線",
    "無線",
    "온라인",
    "오프라인",
    "연결됨",
    "연결 안 됨",
    "예",
    "아니요",
];

/// Kinds of devices. They are names where a person writes them, and a column of their own where a program does.
const KINDS: &[&str] = &[
    "phone",
    "mobile",
    "mobile phone",
    "smartphone",
    "cell phone",
    "tablet",
    "laptop",
    "notebook",
    "desktop",
    "computer",
    "pc",
    "workstation",
    "server",
    "nas",
    "tv",
    "smart tv",
    "television",
    "printer",
    "router",
    "gateway",
    "ap",
    "access point",
    "wi fi access point",
    "switch",
    "repeater",
    "camera",
    "ip camera",
    "console",
    "game console",
    "gaming console",
    "media player",
    "streaming device",
    "speaker",
    "smart speaker",
    "watch",
    "smartwatch",
    "wearable",
    "iot",
    "smart home",
    "smart plug",
    "smart light",
    "light",
    "thermostat",
    "vacuum",
    "appliance",
    "car",
    "voip",
    "handy",
    "drucker",
    "rechner",
    "fernseher",
    "kamera",
    "téléphone",
    "portable",
    "ordinateur",
    "imprimante",
    "teléfono",
    "portátil",
    "impresora",
    "telefono",
    "stampante",
    "telefone",
    "impressora",
    "telefoon",
    "telefon",
];

/// Legal forms that end the names of companies, or stand in them before a country or another form.
const LEGAL_FORMS: &[&str] =
    &["inc", "incorporated", "ltd", "llc", "corp", "corporation", "corporate", "gmbh"];

/// Other legal forms, which are words of names, too, unless they are the last one.
const LAST_LEGAL_FORMS: &[&str] =
    &["co", "limited", "plc", "ag", "kg", "oy", "oyj", "bv", "nv", "srl", "sarl", "pty", "pte"];

/// Legal forms that are written with marks between the letters, without the last mark.
const MARKED_LEGAL_FORMS: &[&str] = &[" b.v", " n.v", " s.a", " s.a.s", " s.r.l", " s.p.a", " k.k", " a/s"];

/// Legal forms of languages that write no spaces.
const UNSPACED_LEGAL_FORMS: &[&str] = &["有限公司", "株式会社", "주식회사"];

/// Other words of companies' names that registries and products shorten differently.
const COMPANY: &[&str] = &[
    "company",
    "lp",
    "se",
    "sa",
    "sas",
    "spa",
    "ab",
    "as",
    "a",
    "s",
    "kk",
    "the",
    "and",
    "group",
    "holdings",
    "international",
    "technologies",
    "technology",
    "tech",
    "electronics",
    "electronic",
    "communications",
    "communication",
    "mobile",
    "systems",
    "networks",
    "networking",
    "devices",
    "device",
    "products",
    "solutions",
    "industries",
    "industrial",
    "semiconductor",
    "enterprise",
    "telecommunication",
    "telecommunications",
    "shanghai",
    "shenzhen",
    "beijing",
    "hangzhou",
    "dongguan",
    "guangdong",
    "china",
    "japan",
    "korea",
    "taiwan",
    "america",
    "europe",
    "usa",
    "us",
    "uk",
];

/// In lower case, with one space in place of everything that is neither a letter nor a digit. Marks that combine with a
/// letter stay.
fn bare(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| {
        c.is_ascii_punctuation() || c.is_whitespace() || "«»“”„‘’…–—（）「」【】・".contains(c)
    });
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether the text stands for "no name": a known word, only punctuation, or something in brackets, as in
/// `(nom introuvable)`.
pub(super) fn is_no_name(text: &str) -> bool {
    const BRACKETS: [(char, char); 6] =
        [('(', ')'), ('[', ']'), ('<', '>'), ('{', '}'), ('（', '）'), ('【', '】')];
    let text = text.trim();
    let is_bracketed = BRACKETS.iter().any(|(open, close)| {
        let inner = text.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close));
        inner.is_some_and(|inner| !inner.contains([*open, *close]))
    });
    let bare = bare(text);
    is_bracketed || bare.is_empty() || NO_NAME.contains(&bare.as_str())
}

/// Whether a program's table has this text for a device without a name, or for its state.
pub(super) fn is_default_or_state(text: &str) -> bool {
    let bare = bare(text);
    let first = bare.split(' ').next().unwrap_or_default();
    UNKNOWN.contains(&first)
        || UNKNOWN_ENDS.iter().any(|end| bare.ends_with(end))
        || STATES.contains(&bare.as_str())
}

/// Whether the text is a kind of device.
pub(super) fn is_kind(text: &str) -> bool {
    KINDS.contains(&bare(text).as_str())
}

/// Whether the word may be left out of a company's name.
fn is_company_word(word: &str) -> bool {
    [LEGAL_FORMS, LAST_LEGAL_FORMS, COMPANY].iter().any(|words| words.contains(&word))
}

/// Whether two texts are the same but for case, punctuation and the words of companies' names.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(bare);
    let core = |text: &str| -> Vec<String> {
        text.split(' ').filter(|word| !is_company_word(word)).map(str::to_owned).collect()
    };
    !one.is_empty() && (one == other || !core(&one).is_empty() && core(&one) == core(&other))
}

/// Whether the text is the vendor of the address, however its name is shortened.
pub(super) fn is_vendor(text: &str, address: MacAddr) -> bool {
    let Some(vendor) = vendor::lookup(address).name() else { return false };
    let (vendor, text) = (bare(vendor), bare(text));
    let (Some(first), Some(of_text)) = (vendor.split(' ').next(), text.split(' ').next()) else {
        return false;
    };
    let is_known = |word: &str| is_company_word(word) || vendor.split(' ').any(|of_vendor| of_vendor == word);
    first == of_text && text.split(' ').all(is_known)
}

/// Whether the text is the name of a company, by its legal form: `Acme Co., Ltd.`.
pub(super) fn is_company(text: &str) -> bool {
    let bare = bare(text);
    // A form alone, or at the start, names no company.
    let Some((_, rest)) = bare.split_once(' ') else {
        return UNSPACED_LEGAL_FORMS.iter().any(|form| bare.contains(form));
    };
    let lower = text.to_lowercase();
    let end = lower.trim_end_matches([' ', '.']);
    rest.split(' ').any(|word| LEGAL_FORMS.contains(&word))
        || rest.split(' ').next_back().is_some_and(|last| LAST_LEGAL_FORMS.contains(&last))
        || MARKED_LEGAL_FORMS.iter().any(|form| end.ends_with(form))
        || UNSPACED_LEGAL_FORMS.iter().any(|form| bare.contains(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_programs_are_no_names() {
        for text in [
            "",
            "-",
            "--",
            "*",
            "???",
            "—",
            "…",
            "n/a",
            "N.A.",
            "#N/A",
            "(unknown)",
            "UNKNOWN",
            "(name not found)",
            "[anything in brackets]",
            "<nieznane>",
            "（未知）",
            "Unbekannt",
            "Sans nom",
            "Desconocido",
            "不明",
            "알 수 없음",
        ] {
            assert!(is_no_name(text), "{text}");
        }
        for text in [
            "Alice",
            "Nina",
            "🚗",
            "(old) phone (Bob)",
            "Phone (Bob)",
            "Unknown Pleasures",
            "tv",
            "home",
            "名前",
            "R2-D2",
        ] {
            assert!(!is_no_name(text), "{text}");
        }
    }

    #[test]
    fn defaults_and_states_of_tables() {
        for text in [
            "Unbekanntes Gerät 7",
            "unknown_a483e7",
            "Appareil inconnu",
            "不明なデバイス",
            "not_home",
            "Wi-Fi",
            "UP",
            "En ligne",
            "В сети",
            "已连接",
            "New device",
        ] {
            assert!(is_default_or_state(text), "{text}");
        }
        for text in ["Alice's phone", "Kitchen tablet", "Upstairs", "Homer", "Onkyo", "tv"] {
            assert!(!is_default_or_state(text), "{text}");
        }
        assert!(is_kind("Smart TV") && !is_kind("Kitchen tablet"));
    }

    #[test]
    fn companies_are_known_by_their_legal_form() {
        for text in [
            "Apple, Inc.",
            "Samsung Electronics Co.,Ltd",
            "Samsung Electronics Co.,Ltd(THAILAND)",
            "Intel Corporate",
            "AVM GmbH",
            "Acme GmbH & Co. KG",
            "Nintendo Co.",
            "Signify B.V.",
            "Siemens AG",
            "小米通讯技术有限公司",
        ] {
            assert!(is_company(text), "{text}");
        }
        for text in ["Lamp", "Kitchen tablet", "Inc.", "Co", "Lisa's A", "Cosima", "Limited edition lamp", ""]
        {
            assert!(!is_company(text), "{text}");
        }
    }

    #[test]
    fn the_vendor_of_an_address() {
        let apple = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
        for text in ["Apple", "Apple, Inc.", "APPLE INC", "Apple Device"] {
            assert!(is_vendor(text, apple), "{text}");
        }
        for text in ["Apple TV in the attic", "Espressif", "", "Inc."] {
            assert!(!is_vendor(text, apple), "{text}");
        }
        assert!(!is_vendor("Apple", MacAddr::new([0x02, 0, 0, 0, 0, 1])));
    }
}
