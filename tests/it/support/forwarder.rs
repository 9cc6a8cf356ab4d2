//! Puts a server on loopback behind the emulators' gateway under a vendor's host name, so that it is reached, logged and
//! made to fail like an emulator: `https://HOST/PATH` becomes `GATEWAY/HOST/PATH` becomes the server's `/PATH`.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, StatusCode, header};

/// Headers that belong to one connection (RFC 9110, 7.6.1), and the length, which is counted anew.
const HOP: &[HeaderName] = &[
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::CONTENT_LENGTH,
];

/// A router for `Gateway::mount(host, …)` that hands everything to the server at `peer`, which sees `host` and https as
/// its public address (`Host`, `X-Forwarded-Host`, `X-Forwarded-Proto`). Redirects are passed on as they are.
pub fn to(host: &str, peer: SocketAddr) -> Router {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let client = client.expect("a client");
    let host = host.to_owned();
    Router::new().fallback(move |request: Request| {
        let (client, host) = (client.clone(), host.clone());
        async move { forward(&client, &host, peer, request).await }
    })
}

async fn forward(client: &reqwest::Client, host: &str, peer: SocketAddr, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("http://{peer}{path}");
    parts.headers.remove(header::HOST);
    HOP.iter().for_each(|name| drop(parts.headers.remove(name)));
    let body = to_bytes(body, usize::MAX).await.expect("the gateway has read it");
    let call = client.request(parts.method, url).headers(parts.headers).header(header::HOST, host);
    let call = call.header("x-forwarded-host", host).header("x-forwarded-proto", "https").body(body);
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let mut response = Response::new(Body::from(format!("{host} is not there: {error}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            return response;
        }
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    HOP.iter().for_each(|name| drop(headers.remove(name)));
    let mut response = Response::new(Body::from(answer.bytes().await.unwrap_or_default()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[tokio::test]
async fn a_server_stands_behind_a_vendors_name() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let peer = listener.local_addr().expect("bound");
    let echo = Router::new().fallback(|request: Request| async move {
        let seen = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        format!("{} {} {} {}", request.method(), request.uri(), seen("host"), seen("x-forwarded-proto"))
    });
    let server = tokio::spawn(async move { axum::serve(listener, echo).await });
    let gateway = emulators::Gateway::start(std::sync::Arc::new(|| 0)).await.expect("a gateway");
    gateway.mount("op.example", to("op.example", peer));
    let url = format!("{}/op.example/a/b?c=d", gateway.url());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let said = client.post(url).body("x").send().await.expect("an answer").text().await.expect("text");
    assert_eq!(said, "POST /a/b?c=d op.example https");
    assert_eq!(gateway.calls()[0].host, "op.example");
    server.abort();
}
