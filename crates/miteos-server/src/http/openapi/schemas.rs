//! Schemas of the wire types, gathered under `#/components/schemas` while the operations are described.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

/// Two ways to look at a type: what is asked may be left out more often than what is told.
pub struct Schemas {
    asked: SchemaGenerator,
    told: SchemaGenerator,
}

impl Schemas {
    pub fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            asked: settings().for_deserialize().into_generator(),
            told: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of what a client sends.
    pub fn asked<T: JsonSchema>(&mut self) -> Value {
        self.asked.subschema_for::<T>().to_value()
    }

    /// The schema of what the server sends.
    pub fn told<T: JsonSchema>(&mut self) -> Value {
        self.told.subschema_for::<T>().to_value()
    }

    /// The parameters of a query, which are the fields of its type. A list is sent with commas in it.
    pub fn query<T: JsonSchema>(&mut self) -> Vec<Value> {
        let schema = T::json_schema(&mut self.asked);
        let required = schema.get("required").cloned().unwrap_or_default();
        let is_required =
            |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        fields
            .into_iter()
            .map(|(name, mut field)| {
                let about = field.as_object_mut().and_then(|field| field.remove("description"));
                without_null(&mut field);
                let mut parameter = Map::new();
                parameter.insert("in".to_owned(), "query".into());
                parameter.insert("required".to_owned(), is_required(&name).into());
                parameter.insert("name".to_owned(), name.into());
                if let Some(about) = about {
                    parameter.insert("description".to_owned(), about);
                }
                if field["type"] == "array" {
                    parameter.insert("style".to_owned(), "form".into());
                    parameter.insert("explode".to_owned(), false.into());
                }
                parameter.insert("schema".to_owned(), field);
                parameter.into()
            })
            .collect()
    }

    /// All that was referred to, by name. A type that is both asked and told looks the same from both sides, or it would
    /// stand here under one name with the shape of the other: the tests look at that.
    pub fn into_components(mut self) -> Map<String, Value> {
        let mut all = self.told.take_definitions(true);
        for (name, schema) in self.asked.take_definitions(true) {
            all.entry(name).or_insert(schema);
        }
        all.sort_keys();
        all
    }

    /// Names that mean one thing in what is asked and another in what is told.
    #[cfg(test)]
    pub fn ambiguous(&self) -> Vec<String> {
        let told = self.told.definitions();
        let both = self.asked.definitions().iter();
        both.filter(|(name, schema)| told.get(*name).is_some_and(|other| other != *schema))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// A query has no null: what is not there is left out.
fn without_null(field: &mut Value) {
    let Some(object) = field.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|word| word != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            if let Value::Object(only) = only {
                object.extend(only);
            }
        }
    }
}

/// A schema that refers to a component.
pub fn reference(kind: &str, name: &str) -> Value {
    Schema::new_ref(format!("#/components/{kind}/{name}")).to_value()
}
