"""nginx (Debian's package)."""

from tests.bench.origins import nginx_program, nginx_user
from tests.bench.proxies.base import (
    CLIENTS_MAX,
    TLS12_CIPHER,
    UPSTREAM_IDLE_MAX,
    Certificate,
    Launch,
    Site,
    at,
    said_by,
)

_CONFIG = """\
daemon off; {user} worker_processes 1; pid {directory}/nginx.pid; error_log stderr error;
worker_rlimit_nofile {files};
events {{ worker_connections {clients}; }}
http {{
    {access_log}
    keepalive_timeout 75s; keepalive_requests 1000000000; client_header_timeout 10s; client_max_body_size 0;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream shop {{
        random two least_conn;
        {servers}
        keepalive {idle}; keepalive_requests 1000000000; keepalive_timeout 60s;
    }}
    server {{
        listen {listen} backlog=4096{tls}
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_connect_timeout 1s; proxy_read_timeout 60s; proxy_send_timeout 60s;
            proxy_request_buffering off; proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


def _tls(certificate: Certificate) -> str:
    """The end of the `listen` directive, and what follows it. nginx remembers no session unless it is told to."""
    return (
        f" ssl; ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key}; "
        f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {TLS12_CIPHER}; ssl_session_cache shared:clients:10m;"
    )


class Nginx:
    """Has no active checks in the free edition. Its log is buffered, as the others that can are."""

    name = "nginx"
    title = "nginx"
    serving = "worker process"

    def missing(self) -> str | None:
        return None if nginx_program() else "apt-get install nginx-light"

    def version(self) -> str:
        return said_by(nginx_program() or "nginx", "-v").rpartition("/")[2]

    def launch(self, site: Site) -> Launch:
        config = site.directory / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                user=nginx_user(),
                directory=site.directory,
                files=CLIENTS_MAX + 4 * UPSTREAM_IDLE_MAX,
                clients=CLIENTS_MAX + 4 * UPSTREAM_IDLE_MAX - 64,
                access_log=(
                    f"access_log {site.access_log} combined buffer=64k flush=1s;"
                    if site.access_log
                    else "access_log off;"
                ),
                servers=" ".join(f"server {at(port)};" for port in site.origins),
                idle=UPSTREAM_IDLE_MAX * len(site.origins),
                listen=at(site.port),
                tls=_tls(site.tls) if site.tls else ";",
            )
        )
        return Launch((nginx_program() or "nginx", "-c", str(config), "-p", str(site.directory)))
