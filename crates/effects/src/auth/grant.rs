//! Requests for tokens (RFC 6749, RFC 8693), and where they go (OpenID Connect Discovery).

use http::{HeaderValue, Method, header};
use serde_json::{Map, Value as Json};
use tessera_workflow::definition::Scheme;
use tessera_workflow::machine::Error;
use url::Url;

use super::{Properties, basic, jwt};
use crate::fault;
use crate::http::{Answer, Ask, Form, Http, Redirects, address, form, shown};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const TOKEN_PATH: &str = "/oauth2/token";

/// A token as an authority gave it.
pub(super) struct Granted {
    pub(super) token: String,
    /// Seconds until it ends; none when nobody says.
    pub(super) expires_in_s: Option<u64>,
    /// What the next one can be had with.
    pub(super) refresh: Option<String>,
}

/// Asks for a token. `refresh` is the newest refresh token, if the authority gave one.
pub(super) async fn ask(
    http: &Http,
    scheme: Scheme,
    properties: &Properties,
    refresh: Option<&str>,
) -> Result<Granted, Error> {
    let (endpoint, issuer) = endpoint(http, scheme, properties).await?;
    let mut request = Ask::new(Method::POST, endpoint.clone());
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let mut fields = fields(properties, refresh)?;
    identify(properties, &endpoint, &mut request, &mut fields)?;
    let request = encode(properties, request, fields)?;
    let answer = http.send(request, Redirects::Answer).await?;
    let granted = read(&answer)?;
    check_issuer(properties, issuer.as_deref(), &granted.token)?;
    Ok(granted)
}

/// Where tokens are had, and who issues them as far as that is told.
async fn endpoint(
    http: &Http,
    scheme: Scheme,
    properties: &Properties,
) -> Result<(Url, Option<String>), Error> {
    let authority = properties.text("authority")?;
    let authority = authority.trim_end_matches('/');
    if scheme == Scheme::OAuth2 {
        let path = properties.find("endpoints.token").unwrap_or(TOKEN_PATH);
        if path.contains("://") {
            return Ok((address(path)?, None));
        }
        let path = path.trim_start_matches('/');
        return Ok((address(&format!("{authority}/{path}"))?, None));
    }
    let document = match authority.ends_with(DISCOVERY) {
        true => address(authority)?,
        false => address(&format!("{authority}{DISCOVERY}"))?,
    };
    let answer = http.send(Ask::new(Method::GET, document.clone()), Redirects::Follow).await?;
    if !answer.status.is_success() {
        return Err(answer.fault());
    }
    let configuration = answer.json()?;
    let text = |name: &str| configuration.get(name).and_then(Json::as_str).map(str::to_owned);
    let endpoint = text("token_endpoint").ok_or_else(|| {
        fault::bad_answer(format!(
            "the configuration at {} has no token_endpoint",
            shown(&document)
        ))
    })?;
    let endpoint = address(&endpoint)?;
    if document.scheme() == "https" && endpoint.scheme() != "https" {
        return Err(fault::bad_answer(format!(
            "the configuration at {} leads from https to http",
            shown(&document)
        )));
    }
    Ok((endpoint, text("issuer")))
}

fn fields(properties: &Properties, refresh: Option<&str>) -> Result<Map<String, Json>, Error> {
    let grant = properties.text("grant")?;
    let mut fields = Map::new();
    let mut put = |name: &str, value: &str| fields.insert(name.to_owned(), value.into());
    put("grant_type", grant);
    match grant {
        "client_credentials" => {}
        "password" => {
            put("username", properties.text("username")?);
            put("password", properties.text("password")?);
        }
        "refresh_token" => {
            let given = ["refreshToken", "refresh_token", "subject.token"];
            let given = given.iter().find_map(|name| properties.find(name));
            let token = refresh.or(given).ok_or_else(|| {
                fault::configuration("the grant refresh_token needs one as `subject.token`")
            })?;
            put("refresh_token", token);
        }
        TOKEN_EXCHANGE => {
            put("subject_token", properties.text("subject.token")?);
            put("subject_token_type", properties.text("subject.type")?);
            if let Some(actor) = properties.find("actor.token") {
                put("actor_token", actor);
                put("actor_token_type", properties.text("actor.type")?);
            }
        }
        "authorization_code" => {
            return Err(fault::configuration(
                "the grant authorization_code needs a person at a browser, and there is none; use client_credentials",
            ));
        }
        other => {
            let near = fault::did_you_mean(
                other,
                ["client_credentials", "password", "refresh_token", TOKEN_EXCHANGE],
            );
            return Err(fault::configuration(format!("there is no grant `{other}`{near}")));
        }
    }
    let scopes = properties.list("scopes");
    if !scopes.is_empty() {
        put("scope", &scopes.join(" "));
    }
    match properties.list("audiences")[..] {
        [] => {}
        [one] => drop(fields.insert("audience".to_owned(), one.into())),
        ref many => drop(fields.insert("audience".to_owned(), many.into())),
    }
    Ok(fields)
}

/// Shows who asks, by the client's method of authentication.
fn identify(
    properties: &Properties,
    endpoint: &Url,
    request: &mut Ask,
    fields: &mut Map<String, Json>,
) -> Result<(), Error> {
    let method = properties.find("client.authentication").unwrap_or("client_secret_post");
    let id = || properties.text("client.id");
    let secret = || properties.text("client.secret");
    let mut put = |name: &str, value: &str| drop(fields.insert(name.to_owned(), value.into()));
    match method {
        "none" => {
            if let Some(id) = properties.find("client.id") {
                put("client_id", id);
            }
        }
        "client_secret_basic" => {
            let encode = |text: &str| -> String {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let value = basic(&encode(id()?), &encode(secret()?));
            request.headers.insert(header::AUTHORIZATION, value);
        }
        "client_secret_post" => {
            put("client_id", id()?);
            // A public client of a password or an exchange has none.
            if let Some(secret) = properties.find("client.secret") {
                put("client_secret", secret);
            }
        }
        "client_secret_jwt" | "private_key_jwt" => {
            let assertion = match (properties.find("client.assertion"), method) {
                (Some(given), _) => given.to_owned(),
                (None, "client_secret_jwt") => jwt::assertion(id()?, secret()?, endpoint.as_str())?,
                _ => properties.text("client.assertion")?.to_owned(),
            };
            put("client_assertion_type", JWT_BEARER);
            put("client_assertion", &assertion);
            if let Some(id) = properties.find("client.id") {
                put("client_id", id);
            }
        }
        other => {
            let near = fault::did_you_mean(
                other,
                [
                    "client_secret_basic",
                    "client_secret_post",
                    "client_secret_jwt",
                    "private_key_jwt",
                    "none",
                ],
            );
            return Err(fault::configuration(format!(
                "a client cannot authenticate by `{other}`{near}"
            )));
        }
    }
    Ok(())
}

fn encode(properties: &Properties, mut ask: Ask, fields: Map<String, Json>) -> Result<Ask, Error> {
    match properties.find("request.encoding").unwrap_or("application/x-www-form-urlencoded") {
        "application/json" => {
            ask.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            ask.with_body(Some(&Json::Object(fields)))
        }
        "application/x-www-form-urlencoded" => {
            let form: Form = form(&fields);
            ask.headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            ask.body = crate::http::encoded(&form).into();
            Ok(ask)
        }
        other => Err(fault::configuration(format!(
            "a request for a token is application/x-www-form-urlencoded or application/json, not {other}"
        ))),
    }
}

fn read(answer: &Answer) -> Result<Granted, Error> {
    if !answer.status.is_success() {
        return Err(refusal(answer));
    }
    let body = answer.json()?;
    let text = |name: &str| body.get(name).and_then(Json::as_str).map(str::to_owned);
    let token = text("access_token")
        .filter(|token| !token.is_empty())
        .ok_or_else(|| fault::bad_answer(format!("{} gave no access_token", shown(&answer.uri))))?;
    let said = body.get("expires_in");
    // Some authorities write it as a text.
    let said = said.and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok()));
    let expires_in_s = said.or_else(|| jwt::seconds_left(&token));
    Ok(Granted { token, expires_in_s, refresh: text("refresh_token") })
}

/// Why an authority gave no token: who asks is not known, or may not, or it does not work.
fn refusal(answer: &Answer) -> Error {
    let body = serde_json::from_slice::<Json>(&answer.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Json::as_str);
    let code = text("error").unwrap_or_default();
    let said = match (code, text("error_description")) {
        ("", _) => answer.beginning(),
        (code, Some(more)) => format!("{code}: {more}"),
        (code, None) => code.to_owned(),
    };
    let detail = format!("{} gave no token ({}): {said}", shown(&answer.uri), answer.status);
    match (answer.status.as_u16(), code) {
        (403, _) | (_, "unauthorized_client" | "access_denied" | "invalid_scope") => {
            fault::authorization(detail)
        }
        (400 | 401, _) => fault::authentication(detail),
        _ => Error { detail: Some(detail.into()), ..answer.fault() },
    }
}

/// Whether the token is from one of the issuers that are trusted. That a document lists some says
/// that no others will do, so a token that does not say whose it is is refused, unless discovery
/// says it.
fn check_issuer(
    properties: &Properties,
    discovered: Option<&str>,
    token: &str,
) -> Result<(), Error> {
    let issuers = properties.list("issuers");
    if issuers.is_empty() {
        return Ok(());
    }
    let claims = jwt::claims(token);
    let issuer = claims.as_ref().and_then(|it| it.get("iss")).and_then(Json::as_str);
    match issuer.or(discovered) {
        Some(issuer) if issuers.contains(&issuer) => Ok(()),
        Some(issuer) => Err(fault::authentication(format!(
            "the token was issued by {issuer}, and `issuers` has only {}",
            issuers.join(", ")
        ))),
        None => Err(fault::authentication(
            "the token does not say who issued it, and `issuers` asks for it",
        )),
    }
}
