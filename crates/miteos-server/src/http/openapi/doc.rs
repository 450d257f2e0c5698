//! What is said of one operation besides what the table of operations says already.

use serde_json::{Map, Value, json};

/// The chapters of the document, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    Tasks,
    Events,
    Agents,
    Approvals,
    Deliverables,
    Workspaces,
    Deployments,
    Webhooks,
    Keys,
    Usage,
    Server,
}

impl Tag {
    pub const ALL: [Self; 11] = [
        Self::Tasks,
        Self::Events,
        Self::Agents,
        Self::Approvals,
        Self::Deliverables,
        Self::Workspaces,
        Self::Deployments,
        Self::Webhooks,
        Self::Keys,
        Self::Usage,
        Self::Server,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tasks => "Tasks",
            Self::Events => "Events",
            Self::Agents => "Agents",
            Self::Approvals => "Approvals",
            Self::Deliverables => "Deliverables",
            Self::Workspaces => "Workspaces",
            Self::Deployments => "Deployments",
            Self::Webhooks => "Webhooks",
            Self::Keys => "API keys",
            Self::Usage => "Usage",
            Self::Server => "Server",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Tasks => {
                "A prompt and everything that is done for it: planned, carried out by agents, answered."
            }
            Self::Events => {
                "One append-only log a task. Pages, server-sent events and WebSocket carry the same envelope, and each can \
                 be resumed without a gap. An event is shown only after it is durable."
            }
            Self::Agents => {
                "Each subtask of a plan is carried out by an agent, which can be steered on its own."
            }
            Self::Approvals => {
                "A question to a person: may this exact action be taken? It binds these arguments and no others."
            }
            Self::Deliverables => {
                "The files that a task hands over: immutable copies, kept when the workspace goes."
            }
            Self::Workspaces => "Folders that tasks work in. A path that leads outside is refused.",
            Self::Deployments => {
                "A workspace's output on its way to a host: built, uploaded, live. It survives crashes, and is never made \
                 twice. With a `mt_test_` key the same states are passed and nothing is pushed."
            }
            Self::Webhooks => {
                "Events sent to an address of yours, signed as in Standard Webhooks, at least once, in the order of the log \
                 as far as the receiver takes them."
            }
            Self::Keys => {
                "A key belongs to an account and to one of two worlds, live and test, that never see each other."
            }
            Self::Usage => "What was used: tokens, cost and tasks, added up from the model calls.",
            Self::Server => "The server itself. No API key is needed.",
        }
    }
}

/// How else than by a key with the scope a caller may prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// In no other way.
    Key,
    /// A signature in the query.
    Link,
    /// The first message on the connection.
    Message,
}

/// The description of one operation.
#[derive(Debug, Clone)]
pub struct Doc {
    pub method: &'static str,
    /// As it stands in the table of operations.
    pub path: &'static str,
    /// As clients see it, where that differs: the table's rest of an address may have a fixed end.
    pub shown_path: Option<&'static str>,
    pub id: &'static str,
    pub tag: Tag,
    pub summary: &'static str,
    pub text: &'static str,
    pub proof: Proof,
    /// Query and header parameters.
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    /// Answers that are no error, by status.
    pub answers: Vec<(u16, Value)>,
    /// Errors in words of their own: status, when, and an example of `detail`.
    pub errors: Vec<(u16, String, &'static str)>,
    /// What is known of an answer and can be used elsewhere: operation, its parameter, where in the answer.
    pub links: Vec<(&'static str, &'static str, &'static str)>,
}

pub fn doc(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    tag: Tag,
    summary: &'static str,
) -> Doc {
    Doc {
        method,
        path,
        shown_path: None,
        id,
        tag,
        summary,
        text: "",
        proof: Proof::Key,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: Vec::new(),
        links: Vec::new(),
    }
}

impl Doc {
    pub fn text(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    pub fn shown_as(self, path: &'static str) -> Self {
        Self { shown_path: Some(path), ..self }
    }

    pub fn proof(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    pub fn parameters(mut self, parameters: Vec<Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// A JSON body.
    pub fn body(self, schema: Value, example: Value) -> Self {
        let media = json!({"schema": schema, "example": example});
        Self { body: Some(json!({"required": true, "content": {"application/json": media}})), ..self }
    }

    /// A body that is described as a whole.
    pub fn raw_body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// An answer of JSON.
    pub fn answer(self, status: u16, about: &str, schema: Value, example: Value) -> Self {
        let media = json!({"schema": schema, "example": example});
        self.raw_answer(status, json!({"description": about, "content": {"application/json": media}}))
    }

    /// An answer that is described as a whole.
    pub fn raw_answer(mut self, status: u16, answer: Value) -> Self {
        self.answers.push((status, answer));
        self
    }

    /// 422: understood and refused.
    pub fn refused(self, when: &str, detail: &'static str) -> Self {
        self.error(422, when, detail)
    }

    /// 404: there is no such thing, or it is another's.
    pub fn missing(self, what: &str, detail: &'static str) -> Self {
        self.error(404, &format!("There is no such {what}, or it is not yours."), detail)
    }

    pub fn error(mut self, status: u16, when: &str, detail: &'static str) -> Self {
        self.errors.push((status, when.to_owned(), detail));
        self
    }

    pub fn link(mut self, operation: &'static str, parameter: &'static str, pointer: &'static str) -> Self {
        self.links.push((operation, parameter, pointer));
        self
    }

    /// The links as an answer carries them.
    pub fn link_objects(&self) -> Map<String, Value> {
        let of = |(operation, parameter, pointer): &(&str, &str, &str)| {
            let value = format!("$response.body#{pointer}");
            ((*operation).to_owned(), json!({"operationId": operation, "parameters": {*parameter: value}}))
        };
        self.links.iter().map(of).collect()
    }
}
