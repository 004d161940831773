//! Operations of documents that are fetched.

use serde_json::{Value as Json, json};
use tessera_effects::{Base, Files};
use tessera_workflow::definition::OutputFormat;
use tessera_workflow::machine::{Action, Fetch, OpenApiRequest, kind};
use tessera_workflow::value::from_json;

use crate::server::{Authority, Server, json as answer, status, typed};
use crate::stage::{KEY, perform, performer};

fn operation(document: &str, id: &str, parameters: Json) -> Action {
    Action::OpenApi(OpenApiRequest {
        document: Fetch { uri: document.into(), authorization: None },
        operation_id: id.into(),
        parameters: from_json(parameters),
        authorization: None,
        output: OutputFormat::Content,
        redirect: false,
    })
}

const SWAGGER: &str = r##"
swagger: "2.0"
host: pets.example.com
basePath: /v2
schemes: [http, https]
paths:
  /pet/findByStatus:
    get:
      operationId: findPetsByStatus
      parameters:
        - {name: status, in: query, required: true, type: array, collectionFormat: multi}
  /pet:
    post:
      operationId: addPet
      consumes: [application/json, application/xml]
      parameters:
        - {in: body, name: body, required: true, schema: {$ref: "#/definitions/Pet"}}
definitions:
  Pet: {type: object}
"##;

#[tokio::test]
async fn a_swagger_2_document_is_called_at_its_host() {
    let authority = Authority::new();
    let server = Server::start_tls(&authority, &["pets.example.com"], |asked| match asked.path() {
        "/swagger.yaml" => typed("text/yaml", SWAGGER),
        "/v2/pet/findByStatus" => answer(&json!([{"id": 1}])),
        "/v2/pet" => answer(&json!({"id": 2})),
        _ => status(404, "no"),
    })
    .await;
    let performer = performer(|it| {
        it.resolve.push(format!("pets.example.com={}", server.address).parse().unwrap());
        it.ca.push(authority.file.path().to_owned());
    });
    let uri = "https://pets.example.com/swagger.yaml";
    let found = operation(uri, "findPetsByStatus", json!({"status": "available"}));
    assert_eq!(perform(&performer, found).await, Ok(json!([{"id": 1}])));
    let added = operation(uri, "addPet", json!({"body": {"name": "Rex"}}));
    assert_eq!(perform(&performer, added).await, Ok(json!({"id": 2})));
    let asked = server.asked();
    let targets: Vec<_> = asked.iter().map(|it| it.target.as_str()).collect();
    let expected = ["/swagger.yaml", "/v2/pet/findByStatus?status=available", "/v2/pet"];
    assert_eq!(targets, expected, "the document is fetched once");
    assert_eq!(
        (asked[2].body.as_str(), asked[2].header("idempotency-key")),
        (r#"{"name":"Rex"}"#, KEY)
    );
    let missing = perform(&performer, operation(uri, "findPetsByStatus", json!({}))).await;
    assert_eq!(&*missing.unwrap_err().kind, kind::VALIDATION);
    let unknown =
        perform(&performer, operation(uri, "findPetByStatus", json!({}))).await.unwrap_err();
    assert_eq!((&*unknown.kind, unknown.status), (kind::CONFIGURATION, 400));
    assert!(unknown.detail.unwrap().contains("did you mean `findPetsByStatus`?"));
}

#[tokio::test]
async fn an_openapi_3_document_in_a_file_is_called_at_its_server() {
    let server = Server::start(|asked| answer(&json!(asked.target))).await;
    let folder = tempfile::tempdir().unwrap();
    let document = json!({
        "openapi": "3.1.0", "servers": [{"url": server.uri("/api")}],
        "paths": {"/pets/{id}": {"get": {"operationId": "getPet", "parameters": [
            {"name": "id", "in": "path", "required": true}]}}}
    });
    std::fs::write(folder.path().join("pets.json"), document.to_string()).unwrap();
    let performer = performer(|it| {
        it.base = Base::Folder(folder.path().to_owned());
        it.files = Files::Within(folder.path().to_owned());
    });
    let called = perform(&performer, operation("pets.json", "getPet", json!({"id": 5}))).await;
    assert_eq!(called, Ok(json!("/api/pets/5")));
}
