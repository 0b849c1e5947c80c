//! The header of a table: which columns hold addresses and names, in the words of many products and languages.

use csv::StringRecord;

/// Headers of columns with MAC addresses, in lower case, letters and digits only. Of several, the first in this order
/// counts. Other headers with "mac" in them follow.
const ADDRESS_HEADERS: [&str; 17] = [
    "mac",
    "macaddress",
    "macaddr",
    "devmac",
    "clientmac",
    "devicemac",
    "stationmac",
    "hwaddr",
    "hwaddress",
    "hardwareaddress",
    "physicaladdress",
    "ethernetaddress",
    "lladdr",
    "source",
    "ether",
    "station",
    "address",
];

/// Columns with "mac" in their header that hold the address of something else.
const OTHER_MACS: [&str; 15] = [
    "machine",
    "vendor",
    "manuf",
    "uplink",
    "bssid",
    "gateway",
    "router",
    "switch",
    "bridge",
    "parent",
    "type",
    "apmac",
    "accesspoint",
    "model",
    "random",
];

/// What a column with names is called, in many languages.
const NAMES: &[&str] = &[
    "name",
    "label",
    "alias",
    "nickname",
    "naam",
    "namn",
    "navn",
    "nafn",
    "nimi",
    "nom",
    "nombre",
    "nome",
    "apodo",
    "apelido",
    "surnom",
    "nazwa",
    "název",
    "nazev",
    "jméno",
    "jmeno",
    "názov",
    "nazov",
    "meno",
    "ime",
    "naziv",
    "név",
    "nev",
    "nume",
    "denumire",
    "emri",
    "nimetus",
    "nosaukums",
    "pavadinimas",
    "vardas",
    "bezeichnung",
    "имя",
    "название",
    "наименование",
    "назва",
    "імя",
    "име",
    "όνομα",
    "adı",
    "adi",
    "ad",
    "isim",
    "名",
    "名前",
    "名称",
    "名稱",
    "名字",
    "이름",
    "명",
    "tên",
    "nama",
    "ชื่อ",
    "नाम",
    "اسم",
    "نام",
    "שם",
];

/// What may stand beside such a word, as in `Gerätename`, `nom de l'appareil` or `kismet.device.base.name`.
const BESIDE_NAMES: &[&str] = &[
    "device",
    "dev",
    "client",
    "host",
    "dhcp",
    "friendly",
    "display",
    "nick",
    "given",
    "custom",
    "userdefined",
    "userassigned",
    "computer",
    "pc",
    "machine",
    "station",
    "endpoint",
    "terminal",
    "node",
    "asset",
    "common",
    "kismet",
    "base",
    "full",
    "local",
    "dns",
    "mdns",
    "netbios",
    "bonjour",
    "the",
    "of",
    "a",
    "geräte",
    "gerät",
    "geraete",
    "geraet",
    "gerate",
    "gerat",
    "rechner",
    "anzeige",
    "spitz",
    "endgeräte",
    "des",
    "de",
    "du",
    "l",
    "d",
    "la",
    "le",
    "lappareil",
    "appareil",
    "hôte",
    "hote",
    "ordinateur",
    "équipement",
    "equipement",
    "périphérique",
    "peripherique",
    "del",
    "dispositivo",
    "equipo",
    "cliente",
    "anfitrión",
    "amigable",
    "dell",
    "apparecchio",
    "do",
    "da",
    "aparelho",
    "equipamento",
    "apparaat",
    "van",
    "het",
    "weergave",
    "enhets",
    "enheds",
    "enhet",
    "enhed",
    "värd",
    "vært",
    "verts",
    "klient",
    "laitteen",
    "laite",
    "urządzenia",
    "urzadzenia",
    "hosta",
    "klienta",
    "zařízení",
    "zarizeni",
    "hostitele",
    "zariadenia",
    "uređaja",
    "uredaja",
    "naprave",
    "eszköz",
    "eszkoz",
    "dispozitiv",
    "dispozitivului",
    "устройства",
    "хоста",
    "клиента",
    "компьютера",
    "узла",
    "пристрою",
    "συσκευής",
    "cihaz",
    "istemci",
    "bilgisayar",
    "设备",
    "設備",
    "主机",
    "主機",
    "终端",
    "終端",
    "客户端",
    "客戶端",
    "装置",
    "裝置",
    "デバイス",
    "端末",
    "ホスト",
    "機器",
    "クライアント",
    "기기",
    "장치",
    "단말",
    "호스트",
    "thiếtbị",
    "perangkat",
];

/// Columns that hold a name if no column is called one, the best first.
const OTHER_NAMES: [&[&str]; 2] =
    [&["device", "client", "host", "gerät", "appareil", "dispositivo"], &["description", "comment"]];

/// The names that people choose come first; what the device calls itself is taken if that cell is empty.
const SELF_CHOSEN: [&str; 7] = ["host", "dhcp", "dns", "netbios", "bonjour", "hôte", "主机"];

/// What the headers of columns with vendors and kinds of devices have in them.
const ATTRIBUTES: [&str; 16] = [
    "vendor",
    "manuf",
    "brand",
    "hersteller",
    "fabricant",
    "fabricante",
    "produttore",
    "producent",
    "výrobce",
    "производитель",
    "厂商",
    "メーカー",
    "type",
    "category",
    "model",
    "typ",
];

/// The longest header that is looked at, in bytes.
const HEADER_LIMIT: usize = 64;

/// How the tables that this program exports begin.
const EXPORTS: [&[&str]; 2] =
    [&["address", "name", "random"], &["offset", "time", "sensor", "source", "name"]];

/// What stands beside `name` in the table of two columns that people write for this program.
const PAIRS: [&str; 3] = ["mac", "macaddress", "address"];

/// The columns with addresses and names, according to the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// The best first.
    pub addresses: Vec<usize>,
    /// Whether one of the columns with addresses is for MAC addresses only.
    pub has_mac: bool,
    /// The best first.
    pub names: Vec<usize>,
    /// Those with the vendor or the kind of the device.
    pub attributes: Vec<usize>,
    /// Whether it is a table that people write for this program: addresses that share a name are one device.
    pub is_own: bool,
}

impl Columns {
    /// The columns of a header; `None` if no column is known.
    pub(super) fn of(row: &StringRecord) -> Option<Self> {
        let headers: Vec<String> = row.iter().map(bare).collect();
        let positions = |known: &[&str]| -> Vec<usize> {
            known.iter().filter_map(|name| headers.iter().position(|header| header == name)).collect()
        };
        let mut addresses = positions(&ADDRESS_HEADERS);
        for (column, header) in headers.iter().enumerate() {
            let is_mac = header.contains("mac") && !OTHER_MACS.iter().any(|other| header.contains(other));
            if is_mac && !addresses.contains(&column) {
                addresses.push(column);
            }
        }
        let has_mac = addresses.iter().any(|column| headers[*column].contains("mac"));
        let mut names: Vec<usize> = (0..headers.len()).filter(|column| is_name(&headers[*column])).collect();
        names.sort_by_key(|column| SELF_CHOSEN.iter().any(|word| headers[*column].contains(word)));
        for known in OTHER_NAMES {
            if names.is_empty() {
                names = positions(known);
            }
        }
        let is_attribute = |column: &usize| {
            !names.contains(column) && ATTRIBUTES.iter().any(|word| headers[*column].contains(word))
        };
        let attributes = (0..headers.len()).filter(is_attribute).collect();
        let is_pair = headers.len() == 2
            && headers.iter().any(|header| header == "name")
            && headers.iter().any(|header| PAIRS.contains(&header.as_str()));
        let begins = |own: &&[&str]| {
            headers.iter().zip(*own).filter(|(header, own)| header == *own).count() == own.len()
        };
        let is_own = is_pair || EXPORTS.iter().any(begins);
        let columns = Self { addresses, has_mac, names, attributes, is_own };
        (!columns.addresses.is_empty() || !columns.names.is_empty()).then_some(columns)
    }
}

/// Whether the header is made of words for a name alone.
fn is_name(header: &str) -> bool {
    if header.len() > HEADER_LIMIT {
        return false;
    }
    // For each byte, whether the words before it end there: without and with a word for a name among them.
    let mut reached = vec![[false; 2]; header.len() + 1];
    reached[0][0] = true;
    for (start, _) in header.char_indices() {
        let [without, with] = reached[start];
        if !(without || with) {
            continue;
        }
        let ends = |words: &'static [&str]| {
            words
                .iter()
                .filter(move |word| header[start..].starts_with(**word))
                .map(move |word| start + word.len())
        };
        for end in ends(NAMES) {
            reached[end][1] = true;
        }
        for end in ends(BESIDE_NAMES) {
            reached[end][0] |= without;
            reached[end][1] |= with;
        }
    }
    reached[header.len()][1]
}

fn bare(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_with_names_in_many_words() {
        for header in [
            "Name",
            "devName",
            "Device Name",
            "device_name",
            "Friendly name",
            "Hostname",
            "Host Name",
            "Gerätename",
            "Nom de l'appareil",
            "Nombre del dispositivo",
            "Nome do dispositivo",
            "Nome dispositivo",
            "Apparaatnaam",
            "Nazwa urządzenia",
            "Název zařízení",
            "Имя устройства",
            "设备名称",
            "デバイス名",
            "기기 이름",
            "Cihaz adı",
            "kismet.device.base.name",
            "kismet.device.base.commonname",
            "Client Alias",
            "DHCP host name",
        ] {
            assert!(is_name(&bare(header)), "{header}");
        }
        for header in [
            "devVendor",
            "Vendor Name",
            "User name",
            "Network Name",
            "AP Name",
            "SSID",
            "Status",
            "Group",
            "Hersteller",
            "Manufacturer",
            "Owner",
            "devType",
            "devComments",
            "Model name",
            "",
            "Interface name",
            "VLAN name",
        ] {
            assert!(!is_name(&bare(header)), "{header}");
        }
        assert!(!is_name(&"l".repeat(HEADER_LIMIT + 1)));
    }

    #[test]
    fn long_headers_of_short_words_take_no_time() {
        for word in ["l", "d", "de", "la", "dela"] {
            assert!(!is_name(&word.repeat(HEADER_LIMIT / word.len())));
        }
    }
}
