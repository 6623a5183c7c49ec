//! A vhost for each test, where worker, producer and operator have the rights that they have in production.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, finish, leftovers, settings, unique};

const KIND: &str = "jc_test";

/// A vhost of one test, deleted with this value.
#[derive(Debug)]
pub(crate) struct TestVhost {
    /// Its name.
    pub(crate) name: String,
    /// AMQP URL of the worker.
    pub(crate) worker_url: String,
    /// AMQP URL of a producer.
    pub(crate) producer_url: String,
    /// AMQP URL of an operator.
    pub(crate) operator_url: String,
    /// The management API, with an administrator's credentials.
    pub(crate) management_url: String,
}

/// Where a broker is, for each who speaks to it.
#[derive(Clone, Debug)]
pub(crate) struct BrokerUrls {
    /// AMQP URL of the worker.
    pub(crate) worker: String,
    /// AMQP URL of a producer.
    pub(crate) producer: String,
    /// AMQP URL of an operator.
    pub(crate) operator: String,
    /// The management API, with an administrator's credentials.
    pub(crate) management: String,
}

impl BrokerUrls {
    /// The broker of the environment.
    pub(crate) fn of_environment() -> Self {
        Self {
            worker: settings::variable("JOIN_COMMUNITY__BROKER__URL"),
            producer: settings::variable("JOIN_COMMUNITY__BROKER__PRODUCER_URL"),
            operator: settings::variable("JOIN_COMMUNITY__BROKER__OPERATOR_URL"),
            management: settings::variable("RABBITMQ_MANAGEMENT_URL"),
        }
    }
}

/// Makes a vhost with nothing in it.
pub(crate) async fn vhost() -> TestVhost {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    let broker = BrokerUrls::of_environment();
    SWEPT.get_or_init(|| sweep(&broker.management)).await;
    vhost_at(&broker).await
}

/// The same at another broker.
pub(crate) async fn vhost_at(broker: &BrokerUrls) -> TestVhost {
    let name = unique(KIND);
    let vhost = TestVhost {
        worker_url: url(&broker.worker, &name),
        producer_url: url(&broker.producer, &name),
        operator_url: url(&broker.operator, &name),
        management_url: broker.management.clone(),
        name,
    };
    vhost.manage(Method::PUT, &format!("vhosts/{}", vhost.name), None).await;
    let everything = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    vhost.permit(&vhost.management_url, &everything).await;
    let roles = roles();
    for (role, url) in
        [("worker", &vhost.worker_url), ("producer", &vhost.producer_url), ("operator", &vhost.operator_url)]
    {
        vhost.permit(url, &roles[role]).await;
    }
    vhost
}

impl TestVhost {
    /// The broker values of a configuration for this vhost, to be given to `config`.
    pub(crate) fn values(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("BROKER__URL", &self.worker_url),
            ("BROKER__PRODUCER_URL", &self.producer_url),
            ("BROKER__OPERATOR_URL", &self.operator_url),
            ("BROKER__MANAGEMENT_URL", &self.management_url),
        ]
    }

    /// One call of the management API as its administrator; anything but success ends the test.
    pub(crate) async fn manage(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        management(&self.management_url, method, path, body).await
    }

    async fn permit(&self, user_url: &str, rights: &Value) {
        let user: Url = user_url.parse().unwrap();
        self.manage(Method::PUT, &format!("permissions/{}/{}", self.name, user.username()), Some(rights)).await;
    }
}

impl Drop for TestVhost {
    fn drop(&mut self) {
        finish(delete(&self.management_url, &self.name));
    }
}

async fn sweep(broker: &str) {
    let vhosts = management(broker, Method::GET, "vhosts?columns=name", None).await;
    let names = vhosts.as_array().into_iter().flatten().filter_map(|vhost| vhost["name"].as_str());
    for name in names.filter(|name| leftovers::is_left_over(name, KIND)) {
        delete(broker, name).await;
    }
}

/// Deletes a vhost; asks again where the broker has fallen over it. RabbitMQ before `rabbitmq/ra#484` may write to the log of a
/// queue whose files are deleted already; that ends the log of all quorum queues for a moment, and the deletion by a 500.
async fn delete(broker: &str, name: &str) {
    let (path, deadline) = (format!("vhosts/{name}"), Instant::now() + PATIENCE);
    loop {
        let (status, text) = answer(broker, Method::DELETE, &path, None).await;
        if is_fine(&Method::DELETE, status) {
            return;
        }
        assert!(status.is_server_error() && Instant::now() < deadline, "DELETE {path}: {status} {text}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn url(broker: &str, vhost: &str) -> String {
    let mut url: Url = broker.parse().expect("a URL");
    url.set_path(vhost);
    url.into()
}

fn roles() -> BTreeMap<String, Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rabbitmq/permissions.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// One call of the management API; anything but success ends the test with the broker's words.
async fn management(broker: &str, method: Method, path: &str, body: Option<&Value>) -> Value {
    let (status, text) = answer(broker, method.clone(), path, body).await;
    assert!(is_fine(&method, status), "{method} {path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

fn is_fine(method: &Method, status: StatusCode) -> bool {
    // Gone already: a test may delete its vhost itself.
    status.is_success() || (*method == Method::DELETE && status == StatusCode::NOT_FOUND)
}

/// What the management API answers, whatever it is.
async fn answer(broker: &str, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, String) {
    let mut base: Url = broker.parse().expect("a URL");
    let (user, password) = (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
    // What stands in the URL is sent as well, and two headers are a bad request.
    base.set_username("").and_then(|()| base.set_password(None)).expect("a URL with a host");
    let url = base.join(&format!("api/{path}")).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method, url).basic_auth(user, Some(password));
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("RabbitMQ's management API does not answer, `scripts/services up`: {error}"));
    (answer.status(), answer.text().await.unwrap())
}
