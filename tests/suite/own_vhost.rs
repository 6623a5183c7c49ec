//! The tests' own vhosts. Apart from what makes them, because tests that stop services share that, and this test they would
//! stop as well.

use reqwest::{Method, Url};

use crate::support::{config, vhost};

#[tokio::test]
async fn a_vhost_has_the_three_users_with_their_rights_and_is_gone_after_the_test() {
    let (kept, vhost) = (vhost().await, vhost().await);
    config(&vhost.values());
    let rights = vhost.manage(Method::GET, &format!("vhosts/{}/permissions", vhost.name), None).await;
    let user = |url: &str| url.parse::<Url>().unwrap().username().to_owned();
    for url in [&vhost.worker_url, &vhost.producer_url, &vhost.operator_url] {
        assert!(rights.as_array().unwrap().iter().any(|entry| entry["user"] == user(url)), "{rights}");
    }
    let name = vhost.name.clone();
    drop(vhost);
    let vhosts = kept.manage(Method::GET, "vhosts?columns=name", None).await;
    assert!(!vhosts.as_array().unwrap().iter().any(|vhost| vhost["name"] == name), "{vhosts}");
}
