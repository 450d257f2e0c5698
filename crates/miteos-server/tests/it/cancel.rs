//! A cancel is proven: at the moment `cancelled` can be seen, the model's stream is closed. What holds for the
//! processes of programs is in `tests/cancel.rs`, which can start a sandbox.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_server::models::Endpoint;
use miteos_tools::{Tool, ToolContext, ToolError, ToolOutput};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::harness::{TestServer, wait_until};
use crate::standin::{Script, call, slow, text};

/// Passes connections on, and knows the one that a request came in by last.
#[derive(Clone, Default)]
struct Proxy {
    last: Arc<Mutex<Option<TcpStream>>>,
}

impl Proxy {
    async fn start(&self, to: SocketAddr) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = self.clone();
        tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                tokio::spawn(proxy.clone().pass(inbound, to));
            }
        });
        address
    }

    async fn pass(self, inbound: tokio::net::TcpStream, to: SocketAddr) {
        let inbound = inbound.into_std().unwrap();
        let own = inbound.try_clone().unwrap();
        let (mut from, mut back) = tokio::net::TcpStream::from_std(inbound).unwrap().into_split();
        let (mut answers, mut asks) = tokio::net::TcpStream::connect(to).await.unwrap().into_split();
        let up = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n) = from.read(&mut buffer).await {
                if n == 0 || asks.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
                *self.last.lock().unwrap() = Some(own.try_clone().unwrap());
            }
        };
        let down = async { drop(tokio::io::copy(&mut answers, &mut back).await) };
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    }

    /// Whether the caller has closed the connection of the last request. The socket does not block.
    fn is_closed(&self) -> bool {
        let last = self.last.lock().unwrap();
        let mut byte = [0];
        match last.as_ref().unwrap().read(&mut byte) {
            Ok(0) => true,
            Ok(_) => panic!("another request"),
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_models_stream_is_closed_before() {
    for what in ["task", "agent"] {
        let script = Script::default()
            .plan(&[("1", "do alpha", &[])])
            .agent("alpha", vec![slow(600_000, text("never"))]);
        let proxy = Proxy::default();
        let standin = crate::standin::StandIn::start(script).await;
        let address = proxy.start(standin.address).await;
        let temp = tempfile::tempdir().unwrap();
        let server = TestServer::over(temp.path(), standin, |config| {
            let endpoint: &mut Endpoint = config.models.endpoints.get_mut("openai").unwrap();
            endpoint.base_url = Some(format!("http://{address}/v1/"));
        })
        .await;
        let task = server.create("cancel me", json!({})).await;
        wait_until("the agent thinks", || server.standin.requests().len() == 2).await;
        assert!(!proxy.is_closed());
        let shown = server.get(&format!("/tasks/{task}")).await;
        let path = match what {
            "task" => format!("/tasks/{task}/cancel"),
            _ => format!("/agents/{}/cancel", shown["agents"][0]["id"].as_str().unwrap()),
        };
        let (answer, ()) = tokio::join!(server.call("POST", &path, None), async {
            server.until(&task, |t| t["agents"][0]["status"] == "cancelled").await;
            assert!(proxy.is_closed(), "the stream is open when {what} is seen as cancelled");
        });
        assert_eq!(answer.0, 200);
        assert_eq!(server.standin.requests().len(), 2, "no model call after it");
    }
}

/// A tool that leaves work behind when it is dropped.
struct Slow {
    spec: ToolSpec,
    over: Arc<Mutex<bool>>,
    /// A permit is needed for the work to end.
    may_end: Arc<Semaphore>,
}

impl Slow {
    fn new(permits: usize) -> Arc<Self> {
        let schema = json!({"type": "object", "properties": {}});
        let spec = ToolSpec { name: "browse".into(), description: "Browses.".into(), schema };
        Arc::new(Self { spec, over: Arc::default(), may_end: Arc::new(Semaphore::new(permits)) })
    }

    /// A server with a task that runs this tool.
    async fn at_work(self: &Arc<Self>) -> (TestServer, String) {
        let script = Script::default()
            .plan(&[("1", "do alpha", &[])])
            .agent("alpha", vec![call("browse", json!({})), text("done")]);
        let tool: Arc<dyn Tool> = Arc::clone(self) as Arc<dyn Tool>;
        let server = TestServer::start_with(script, |config| config.tools = vec![Arc::clone(&tool)]).await;
        let task = server.create("cancel me", json!({})).await;
        server.until(&task, |t| t["agents"][0]["current_tool"] == "browse").await;
        (server, task)
    }

    fn is_over(&self) -> bool {
        *self.over.lock().unwrap()
    }
}

#[async_trait]
impl Tool for Slow {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }
    fn agents(&self) -> &[AgentType] {
        &AgentType::ALL
    }
    fn risk(&self, _: &Value) -> Risk {
        Risk::Low
    }
    fn read_only(&self) -> bool {
        false
    }
    fn retry(&self) -> RetryClass {
        RetryClass::Repeatable
    }
    async fn run(&self, ctx: &ToolContext, _: Value) -> Result<ToolOutput, ToolError> {
        let (over, cancel) = (Arc::clone(&self.over), ctx.cancel.clone());
        let may_end = Arc::clone(&self.may_end);
        ctx.background.spawn(async move {
            cancel.cancelled().await;
            // Taking something down takes its time.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let _permit = may_end.acquire().await;
            *over.lock().unwrap() = true;
        });
        ctx.cancel.cancelled().await;
        Err(ToolError::Cancelled)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_left_in_the_background_is_over_before() {
    let tool = Slow::new(1);
    let (server, task) = tool.at_work().await;
    server.expect(200, "POST", &format!("/tasks/{task}/cancel"), None).await;
    assert!(tool.is_over(), "cancelled, and something of it is still alive");
    let last = server.events(&task).await.pop().unwrap();
    assert_eq!(last["data"]["interrupted"][0]["tool"], "browse", "{last}");
}

/// Who hung up and asks again is told no sooner that all is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_cancel_waits_for_the_end_too() {
    let tool = Slow::new(0);
    let (server, task) = tool.at_work().await;
    let cancel = || {
        let url = format!("{}/v1/tasks/{task}/cancel", server.url);
        server.http.post(url).bearer_auth(&server.key).header("idempotency-key", "one").send()
    };
    let hung_up = tokio::time::timeout(Duration::from_millis(300), cancel()).await;
    assert!(hung_up.is_err(), "answered before the end");
    let again = async {
        loop {
            let answer = cancel().await.unwrap();
            // The one that hung up is still being taken down.
            if answer.status() != 409 {
                return answer;
            }
        }
    };
    tokio::pin!(again);
    let early = tokio::time::timeout(Duration::from_millis(500), again.as_mut()).await;
    assert!(early.is_err(), "the repeat is answered before the end");
    tool.may_end.add_permits(1);
    let answer = again.await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers().contains_key("idempotency-replayed")),
        (200, true)
    );
    assert!(tool.is_over());
}
