//! The published schema of the Bot API, if it lies beside the clone (`../shared/telegram/bot-api-spec.json`): every
//! request of every test is then checked against it too, besides our own [`super::schema`].

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Map, Value};

static PUBLISHED: LazyLock<Option<Value>> = LazyLock::new(|| {
    let bytes = fs::read(path()).ok()?;
    Some(serde_json::from_slice(&bytes).expect("the published schema is JSON"))
});

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/telegram/bot-api-spec.json")
}

/// The published schema, or where it is missing.
pub fn published() -> Result<&'static Value, String> {
    PUBLISHED.as_ref().ok_or_else(|| format!("no published Bot API schema at {}", path().display()))
}

/// The differences of these parameters from the published method; none if the schema is missing. Fields with uploaded
/// files are not among the parameters.
pub fn violations(method: &str, params: &Map<String, Value>, has_file: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(schema) = published() else { return Vec::new() };
    let definition = &schema["methods"][method];
    if definition.is_null() {
        return vec![format!("the published schema has no {method}")];
    }
    fields_violations(definition, params, method, &has_file)
}

/// The differences of a value from a published type.
pub fn type_violations(name: &str, value: &Value) -> Vec<String> {
    if published().is_ok() { violations_of(name, value, name) } else { Vec::new() }
}

fn fields_violations(
    definition: &Value,
    object: &Map<String, Value>,
    path: &str,
    has_file: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let fields = definition["fields"].as_array().map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for name in object.keys().filter(|name| fields.iter().all(|field| field["name"] != name.as_str())) {
        found.push(format!("published: {path} has no {name}"));
    }
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        let types = field["types"].as_array().into_iter().flatten().filter_map(Value::as_str);
        match object.get(name) {
            Some(value) => {
                let tried = types.map(|kind| violations_of(kind, value, &format!("{path}.{name}")));
                found.extend(tried.min_by_key(Vec::len).unwrap_or_default());
            }
            None if field["required"] == true && !has_file(name) => {
                found.push(format!("published: {path} lacks {name}"));
            }
            None => {}
        }
    }
    found
}

fn violations_of(name: &str, value: &Value, path: &str) -> Vec<String> {
    let wrong = || vec![format!("published: {path} is no {name}: {value}")];
    if let Some(element) = name.strip_prefix("Array of ") {
        let Some(items) = value.as_array() else { return wrong() };
        return items.iter().flat_map(|item| violations_of(element, item, path)).collect();
    }
    let is_right = match name {
        "Integer" => value.is_i64() || value.is_u64(),
        "Float" => value.is_number(),
        "String" | "InputFile" => value.is_string(),
        "Boolean" => value.is_boolean(),
        _ => {
            let definition = &published().unwrap_or(&Value::Null)["types"][name];
            if let Some(subtypes) = definition["subtypes"].as_array() {
                let subtypes = subtypes.iter().filter_map(Value::as_str);
                let tried = subtypes.map(|subtype| violations_of(subtype, value, path));
                return tried.min_by_key(Vec::len).unwrap_or_default();
            }
            let Some(object) = value.as_object() else { return wrong() };
            return fields_violations(definition, object, &format!("{path} ({name})"), &|_| false);
        }
    };
    if is_right { Vec::new() } else { wrong() }
}
