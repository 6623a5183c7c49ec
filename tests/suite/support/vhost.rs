//! A vhost for each test, where worker, producer and operator have the rights that they have in production.

use std::collections::BTreeMap;

use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{finish, leftovers, settings, unique};

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

/// Makes a vhost with nothing in it.
pub(crate) async fn vhost() -> TestVhost {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    SWEPT.get_or_init(sweep).await;
    let name = unique(KIND);
    let vhost = TestVhost {
        worker_url: url("JOIN_COMMUNITY__BROKER__URL", &name),
        producer_url: url("JOIN_COMMUNITY__BROKER__PRODUCER_URL", &name),
        operator_url: url("JOIN_COMMUNITY__BROKER__OPERATOR_URL", &name),
        management_url: settings::variable("RABBITMQ_MANAGEMENT_URL"),
        name,
    };
    management(Method::PUT, &format!("vhosts/{}", vhost.name), None).await;
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
        management(method, path, body).await
    }

    async fn permit(&self, user_url: &str, rights: &Value) {
        let user: Url = user_url.parse().unwrap();
        management(Method::PUT, &format!("permissions/{}/{}", self.name, user.username()), Some(rights)).await;
    }
}

impl Drop for TestVhost {
    fn drop(&mut self) {
        finish(management(Method::DELETE, &format!("vhosts/{}", self.name), None));
    }
}

async fn sweep() {
    let vhosts = management(Method::GET, "vhosts?columns=name", None).await;
    let names = vhosts.as_array().into_iter().flatten().filter_map(|vhost| vhost["name"].as_str());
    for name in names.filter(|name| leftovers::is_left_over(name, KIND)) {
        management(Method::DELETE, &format!("vhosts/{name}"), None).await;
    }
}

fn url(variable: &str, vhost: &str) -> String {
    let mut url: Url = settings::variable(variable).parse().expect("a URL");
    url.set_path(vhost);
    url.into()
}

fn roles() -> BTreeMap<String, Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rabbitmq/permissions.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// One call of the management API; anything but success ends the test with the broker's words.
async fn management(method: Method, path: &str, body: Option<&Value>) -> Value {
    let mut base: Url = settings::variable("RABBITMQ_MANAGEMENT_URL").parse().expect("a URL");
    let (user, password) = (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
    // What stands in the URL is sent as well, and two headers are a bad request.
    base.set_username("").and_then(|()| base.set_password(None)).expect("a URL with a host");
    let url = base.join(&format!("api/{path}")).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.clone(), url).basic_auth(user, Some(password));
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("RabbitMQ's management API does not answer, `scripts/services up`: {error}"));
    let status = answer.status();
    let text = answer.text().await.unwrap();
    // Gone already: a test may delete its vhost itself.
    let fine = status.is_success() || (method == Method::DELETE && status == reqwest::StatusCode::NOT_FOUND);
    assert!(fine, "{method} {path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}
