//! Requests held against the Bot API's published schema, `../shared/telegram/bot-api-spec.json`, where
//! that file is present: known method, known fields, required fields, types.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

/// The schema: methods and types with their fields.
pub struct Spec(Value);

impl Spec {
    /// The schema beside the project; `None` where it is absent. A file that is there and cannot be
    /// read is a broken test bed, and panics.
    pub fn load() -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/telegram/bot-api-spec.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let spec: Value = serde_json::from_str(&text).expect("the schema is JSON");
        assert!(spec["methods"].is_object() && spec["types"].is_object(), "the schema has methods and types");
        Some(Self(spec))
    }

    /// The method as the schema spells it; the API itself does not care about case.
    pub fn method_name(&self, name: &str) -> Option<&str> {
        let methods = self.0["methods"].as_object()?;
        methods.keys().find(|known| known.eq_ignore_ascii_case(name)).map(String::as_str)
    }

    /// Everything in which these parameters differ from what the method takes. `files` are the names
    /// of the uploaded parts, which count as values of the type InputFile.
    pub fn violations(
        &self,
        method: &str,
        params: &Map<String, Value>,
        files: &BTreeSet<String>,
    ) -> Vec<String> {
        let Some(known) = self.method_name(method) else {
            return vec![format!("unknown method {method}")];
        };
        let fields = fields_of(&self.0["methods"][known]);
        let mut violations = Vec::new();
        self.check_fields(fields, params, files, known, &mut violations);
        let attached: BTreeSet<&str> = params.values().flat_map(attachments).collect();
        for file in files {
            if !attached.contains(file.as_str()) && !fields.iter().any(|field| field["name"] == **file) {
                violations
                    .push(format!("{known}: uploaded part {file:?} is no field and nothing attaches it"));
            }
        }
        violations
    }

    fn check_fields(
        &self,
        fields: &[Value],
        object: &Map<String, Value>,
        files: &BTreeSet<String>,
        path: &str,
        violations: &mut Vec<String>,
    ) {
        for name in object.keys() {
            if !fields.iter().any(|field| field["name"] == **name) {
                violations.push(format!("{path}: unknown field {name:?}"));
            }
        }
        for field in fields {
            let name = field["name"].as_str().unwrap_or_default();
            let path = format!("{path}.{name}");
            match object.get(name).filter(|value| !value.is_null()) {
                None if files.contains(name) => {
                    let takes_file = type_names(field).any(|name| name == "InputFile");
                    violations.extend((!takes_file).then(|| format!("{path}: takes no file")));
                }
                None if field["required"] == true => violations.push(format!("{path}: required, absent")),
                None => {}
                Some(value) => violations.extend(self.check_union(type_names(field), value, files, &path)),
            }
        }
    }

    /// No violation if the value is of any of these types, else those of the type that comes nearest.
    fn check_union<'a>(
        &self,
        types: impl Iterator<Item = &'a str>,
        value: &Value,
        files: &BTreeSet<String>,
        path: &str,
    ) -> Vec<String> {
        let tried = types.map(|name| self.check_type(name, value, files, path));
        tried.min_by_key(Vec::len).unwrap_or_default()
    }

    fn check_type(&self, name: &str, value: &Value, files: &BTreeSet<String>, path: &str) -> Vec<String> {
        let wrong = || vec![format!("{path}: expected {name}, got {value}")];
        if let Some(element) = name.strip_prefix("Array of ") {
            let Some(items) = value.as_array() else { return wrong() };
            let check = |(i, item)| self.check_type(element, item, files, &format!("{path}[{i}]"));
            return items.iter().enumerate().flat_map(check).collect();
        }
        let right = match name {
            "Integer" => value.is_i64() || value.is_u64(),
            "Float" => value.is_number(),
            "Boolean" => value.is_boolean(),
            "String" => value.is_string(),
            "InputFile" => attachments(value).any(|file| files.contains(file)),
            _ => {
                let definition = &self.0["types"][name];
                assert!(definition.is_object(), "the schema names a type {name} that it does not define");
                if let Some(subtypes) = definition["subtypes"].as_array() {
                    let names = subtypes.iter().filter_map(Value::as_str);
                    return self.check_union(names, value, files, path);
                }
                let Some(object) = value.as_object() else { return wrong() };
                let mut violations = Vec::new();
                self.check_fields(fields_of(definition), object, files, path, &mut violations);
                return violations;
            }
        };
        if right { Vec::new() } else { wrong() }
    }

    /// Whether a method's only answer is `true`.
    pub fn returns_only_true(&self, method: &str) -> bool {
        let method = self.method_name(method).unwrap_or_default();
        self.0["methods"][method]["returns"] == serde_json::json!(["Boolean"])
    }

    /// The types that a method's field may have.
    pub fn field_types(&self, method: &str, field: &str) -> Vec<&str> {
        let Some(method) = self.method_name(method) else { return Vec::new() };
        let fields = fields_of(&self.0["methods"][method]);
        fields.iter().filter(|known| known["name"] == *field).flat_map(type_names).collect()
    }
}

fn fields_of(definition: &Value) -> &[Value] {
    definition["fields"].as_array().map_or(&[], Vec::as_slice)
}

fn type_names(field: &Value) -> impl Iterator<Item = &str> {
    field["types"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The uploaded parts that a value names as `attach://NAME`, at any depth.
fn attachments(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(text.strip_prefix("attach://").into_iter()),
        Value::Array(items) => Box::new(items.iter().flat_map(attachments)),
        Value::Object(object) => Box::new(object.values().flat_map(attachments)),
        _ => Box::new(std::iter::empty()),
    }
}

/// A parameter that came as text (in a query, a form or a multipart body, or as a JSON string that
/// holds JSON), as the value that one of these types asks for. What fits no type stays text.
pub fn value_from_text(text: &str, types: &[&str]) -> Value {
    let parsed = || serde_json::from_str::<Value>(text).ok();
    for name in types {
        let value = match *name {
            "Integer" => text.parse::<i64>().ok().map(Value::from),
            "Boolean" => match text {
                "true" | "True" | "1" => Some(true.into()),
                "false" | "False" | "0" => Some(false.into()),
                _ => None,
            },
            "Float" => parsed().filter(Value::is_number),
            "String" | "InputFile" => None,
            _ => parsed().filter(|value| value.is_object() || value.is_array()),
        };
        if let Some(value) = value {
            return value;
        }
    }
    text.into()
}
