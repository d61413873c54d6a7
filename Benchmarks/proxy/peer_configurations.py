"""The configuration files of the peers, as templates and as functions that return JSON."""

from settings import CONNECTIONS

NGINX = """
{user}
daemon off;
worker_processes {threads};
worker_rlimit_nofile 20000;
error_log stderr crit;
pid {folder}/pid;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 2000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream application {{
    server 127.0.0.1:{backend};
    keepalive 64;
    keepalive_requests 2000000000;
  }}
  server {{
    listen 127.0.0.1:{port}{listen} backlog=4096;
    {tls}
    location / {{
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_buffers 16 16k;
      proxy_buffer_size 16k;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread {threads}
  maxconn {limit}
defaults
  mode http
  http-reuse always
  option forwardfor
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
frontend web
  bind 127.0.0.1:{port} backlog 4096{tls}
  default_backend application
backend application
  server one 127.0.0.1:{backend}
"""


def envoy(port, backend, certificate):
    """A listener, a route for everything, and a cluster of one."""
    api = "type.googleapis.com/envoy.extensions"
    manager = {
        "@type": f"{api}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "generate_request_id": False,
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "application"}}],
            }],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": f"{api}.filters.http.router.v3.Router"},
        }],
    }
    chain = {"filters": [{
        "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
    }]}
    if certificate:
        pair = {
            "certificate_chain": {"filename": str(certificate[0])},
            "private_key": {"filename": str(certificate[1])},
        }
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{api}.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair],
                },
            },
        }
    most = {"max_connections": 16_384, "max_pending_requests": 16_384, "max_requests": 16_384}
    return {"static_resources": {
        "listeners": [{"name": "web", "address": _envoy_address(port), "filter_chains": [chain]}],
        "clusters": [{
            "name": "application",
            "type": "STATIC",
            "circuit_breakers": {"thresholds": [most]},
            "load_assignment": {
                "cluster_name": "application",
                "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": _envoy_address(backend)}},
                ]}],
            },
        }],
    }}


def _envoy_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def caddy(port, backend, certificate):
    """A server with one route, without the admin interface and without certificates of its own."""
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "idle_timeout": "600s",
        "protocols": ["h1", "h2"],
        "routes": [{"handle": [{
            "handler": "reverse_proxy",
            "upstreams": [{"dial": f"127.0.0.1:{backend}"}],
            "transport": {
                "protocol": "http",
                "compression": False,
                "keep_alive": {"enabled": True, "max_idle_conns_per_host": CONNECTIONS},
            },
        }]}],
    }
    apps = {"http": {"servers": {"web": server}}}
    if certificate:
        server["tls_connection_policies"] = [{}]
        pair = {"certificate": str(certificate[0]), "key": str(certificate[1])}
        apps["tls"] = {"certificates": {"load_files": [pair]}}
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "apps": apps,
    }


def traefik(backend, certificate):
    """A router for everything; what concerns the process is on the command line."""
    router = {"entryPoints": ["web"], "rule": "PathPrefix(`/`)", "service": "application"}
    servers = [{"url": f"http://127.0.0.1:{backend}"}]
    document = {"http": {
        "routers": {"all": router},
        "services": {"application": {"loadBalancer": {"servers": servers}}},
    }}
    if certificate:
        router["tls"] = {}
        pair = {"certFile": str(certificate[0]), "keyFile": str(certificate[1])}
        document["tls"] = {"certificates": [pair]}
    return document
