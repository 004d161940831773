//! What web pages could make a browser send is refused, whatever it is, and changes
//! nothing.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tessera_e2e::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_a_foreign_name_are_refused() {
    let mut fleet = Fleet::with_arguments("15s", &["--allowed-host", "control.example"]).await;
    fleet.add_node("a", &[]).await;
    let document: Value = serde_json::from_str(include_str!("../../../../openapi/tessera.json"))
        .expect("the document is JSON");
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().expect("it has paths") {
        let url = fleet.url() + &path.replace("{name}", "a").replace("{request}", "r");
        for method in operations.as_object().expect("a path has operations").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let request =
                Client::new().request(method.clone(), &url).header("host", "evil.example");
            let request = if method == Method::GET { request } else { request.json(&json!({})) };
            let answer = request.send().await.unwrap();
            let (status, body) = (answer.status(), answer.text().await.unwrap());
            // A body that is not the operation's is refused before anything else.
            let is_unread = status == 400 && [Method::PUT, Method::POST].contains(&method);
            assert!(status == 421 || is_unread, "{method} {path}: {status} {body}");
            if status == 421 {
                let problem: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(problem["code"], "wrong_host", "{body}");
                tried += 1;
            }
        }
    }
    assert!(tried > 15, "{tried}");
    let get = Client::new().get(fleet.url() + "/healthz").header("host", "control.example:1");
    assert_eq!(get.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_change_nothing() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    // What a form can send without being asked first: no body, and no type of one.
    let cordon = Client::new()
        .post(fleet.url() + "/v1/nodes/a/cordon")
        .header("origin", "http://evil.example");
    let answer = cordon.send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "cross_site");
    let node = fleet.api.get::<tessera_types::Node>(&"a".parse().unwrap(), None).await.unwrap();
    assert_eq!(node.desired_status.to_string(), "Ready");
    // Its own pages may.
    let cordon =
        Client::new().post(fleet.url() + "/v1/nodes/a/cordon").header("origin", fleet.url());
    assert_eq!(cordon.send().await.unwrap().status(), 202);
}
