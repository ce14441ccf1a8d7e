//! Starts everything that is compared.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fake_openai::{FakeOpenAi, write_home};
use tempfile::TempDir;

use crate::{
    Failure,
    load::{Form, Target, stamps},
    process,
};

/// A fake OpenAI, the router before it, and nginx before it where that is installed.
pub(crate) struct Servers {
    fake: FakeOpenAi,
    bearer: String,
    router: Running,
    pub(crate) router_url: String,
    nginx: Option<(Running, String)>,
    program: PathBuf,
    home: TempDir,
}

/// A child process that ends with its owner.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Servers {
    /// With this program as the router.
    pub(crate) async fn start(program: &Path) -> Result<Self, Failure> {
        Self::start_with(program, Duration::ZERO, None).await
    }

    /// Others of the same kind, whose streams pause between two events.
    pub(crate) async fn anew(&self, event_delay: Duration) -> Result<Self, Failure> {
        Self::start_with(&self.program, event_delay, None).await
    }

    /// Others, with what the fake agrees to where compression of WebSocket is offered.
    pub(crate) async fn compressing(&self, compression: Option<&str>) -> Result<Self, Failure> {
        Self::start_with(&self.program, Duration::ZERO, compression).await
    }

    async fn start_with(
        program: &Path,
        event_delay: Duration,
        websocket_compression: Option<&str>,
    ) -> Result<Self, Failure> {
        let fake = FakeOpenAi::builder()
            .answer(&stamps())
            .stamp_events(true)
            .websocket_compression(websocket_compression)
            .record_requests(false)
            .stream_content_type(true)
            .event_delay(event_delay)
            .start_on_own_thread()?;
        let home = tempfile::tempdir()?;
        let account = fake.account("user-bench", "acct-bench");
        write_home(home.path(), &[("bench", fake.auth_json(&account))])?;
        let bearer = fake.sign_in(&account).access_token;
        let (router, router_url) = start_router(program, &fake, home.path())?;
        let nginx = start_nginx(fake.address().port(), home.path()).await?;
        Ok(Self {
            fake,
            bearer,
            router,
            router_url,
            nginx,
            program: program.to_owned(),
            home,
        })
    }

    /// Direct first, then nginx, then the router in both forms.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let backend = format!("{}/codex/responses", self.fake.chatgpt_base_url());
        let mut targets = vec![self.target("direct", &backend, Form::Responses, None)];
        if let Some((nginx, url)) = &self.nginx {
            let url = format!("{url}/backend-api/codex/responses");
            targets.push(self.target("nginx", &url, Form::Responses, Some(nginx.0.id())));
        }
        targets.extend(self.router_targets());
        targets
    }

    pub(crate) fn router_targets(&self) -> Vec<Target> {
        let pid = Some(self.router.0.id());
        let target = |name, path: &str, form| {
            self.target(name, &format!("{}{path}", self.router_url), form, pid)
        };
        vec![
            target("router, responses", "/v1/responses", Form::Responses),
            target("router, chat", "/v1/chat/completions", Form::Chat),
        ]
    }

    pub(crate) fn router_rss_kib(&self) -> u64 {
        process::rss_kib(self.router.0.id())
    }

    pub(crate) fn router_peak_kib(&self) -> u64 {
        process::peak_kib(self.router.0.id())
    }

    pub(crate) fn router_wakeups(&self) -> u64 {
        process::wakeups(self.router.0.id())
    }

    /// The size of the program.
    pub(crate) fn router_bytes(&self) -> Result<u64, Failure> {
        Ok(std::fs::metadata(&self.program)?.len())
    }

    /// One more router of the same logins.
    pub(crate) fn start_router(&self) -> Result<(Running, String), Failure> {
        start_router(&self.program, &self.fake, self.home.path())
    }

    /// One that was started like this.
    pub(crate) fn responses_at(&self, (router, url): &(Running, String)) -> Target {
        let url = format!("{url}/v1/responses");
        self.target("router", &url, Form::Responses, Some(router.0.id()))
    }

    pub(crate) fn router_cpu_seconds(&self) -> f64 {
        process::cpu_seconds(self.router.0.id())
    }

    fn target(&self, name: &'static str, url: &str, form: Form, pid: Option<u32>) -> Target {
        Target::new(name, url.to_owned(), form, self.bearer.clone(), pid)
    }
}

fn start_router(
    program: &Path,
    fake: &FakeOpenAi,
    home: &Path,
) -> Result<(Running, String), Failure> {
    let mut child = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg("--codex-home")
        .arg(home)
        .envs(fake.environment())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let out = child.stdout.take().ok_or("no output")?;
    let running = Running(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .ok_or("the router did not start")?;
    Ok((running, url.to_owned()))
}

/// The program as users get it: the release build, headless.
pub(crate) fn build_router() -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--release", "-p", "router-tray"])
        .args(["--no-default-features", "--bin", "codex-router"])
        .status()?;
    // This program lies in `release/deps` of the same target folder.
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).ok_or("no target folder")?;
    built
        .success()
        .then(|| folder.join("codex-router"))
        .ok_or_else(|| "the router does not build".into())
}

/// nginx as a plain reverse proxy that buffers nothing.
async fn start_nginx(upstream: u16, folder: &Path) -> Result<Option<(Running, String)>, Failure> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let configuration = folder.join("nginx.conf");
    std::fs::File::create(&configuration).and_then(|mut file| {
        std::io::Write::write_all(&mut file, nginx_conf(port, upstream, folder).as_bytes())
    })?;
    let started = Command::new("nginx")
        .arg("-c")
        .arg(&configuration)
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else { return Ok(None) };
    let running = Running(child);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return Ok(Some((running, format!("http://127.0.0.1:{port}"))));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("nginx did not start".into())
}

fn nginx_conf(port: u16, upstream: u16, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log /dev/null;
        events {{ worker_connections 16384; }}
        http {{
            access_log off; client_max_body_size 64m; client_body_buffer_size 16m;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            keepalive_requests 1000000;
            upstream fake {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://fake; proxy_http_version 1.1; proxy_set_header Connection '';
                    proxy_buffering off; proxy_request_buffering on; proxy_read_timeout 300s;
                }}
            }}
        }}"
    )
}
