import { join } from 'node:path'

/** What every peer's configuration is made from. */
export interface PeerPlace {
  readonly port: number
  readonly originPort: number
  /** A folder of this peer's own. */
  readonly folder: string
  /** `app-0.test` …; 1 by default. */
  readonly hostCount?: number
}

/** A certificate as files, and the port that serves https. */
export interface PeerTls {
  readonly port: number
  readonly certificateFile: string
  readonly keyFile: string
}

/**
 * nginx as the Hephy router writes its configuration (contract sections 2, 4 and 5): the maps for scheme, port and upgrade, the address of the
 * client by the trusted networks, request ids, gzip, responses unbuffered, and a new connection to the app for each request. Without its access
 * log, as the others.
 */
export function nginxAsHephy({ port, originPort, folder }: PeerPlace): string {
  return `${mainLines(folder)}
events { worker_connections 40000; }
http {
  ${tempPaths(folder)}
  tcp_nopush on; tcp_nodelay on; server_tokens off; access_log off;
  log_format upstreaminfo '[$time_iso8601] - $app_name - $remote_addr - $remote_user - $status - "$request" - $bytes_sent - "$http_referer" - "$http_user_agent" - "$server_name" - $upstream_addr - $http_host - $upstream_response_time - $request_time';
  server_names_hash_max_size 512; client_max_body_size 1m; large_client_header_buffers 4 32k;
  keepalive_timeout 1300s; keepalive_requests 1000000000;
  gzip on; gzip_comp_level 5; gzip_disable msie6; gzip_http_version 1.1; gzip_min_length 256; gzip_proxied any; gzip_vary on;
  gzip_types application/atom+xml application/javascript application/json application/rss+xml application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon text/css text/plain text/x-component;
  set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  map $http_x_forwarded_proto $tmp_access_scheme { default $scheme; "~*(?:^|,\\s*)(?<last>https?|wss?)$" $last; }
  map $scheme $access_scheme { default $tmp_access_scheme; "https" "https"; }
  map $http_x_forwarded_port $forwarded_port { default $http_x_forwarded_port; '' $server_port; }
  map $access_scheme $sts { default ''; }
  map $http_x_correlation_id $correlation_id { default "$http_x_correlation_id,$request_id"; '' $request_id; }
  server { listen 127.0.0.1:${port} default_server backlog=4096 reuseport; server_name _; set $app_name "router-default-vhost"; location ~ ^/healthz/?$ { default_type text/plain; return 200; } location / { return 404; } }
  server {
    listen 127.0.0.1:${port}; server_name app-0.test; server_name_in_redirect off; port_in_redirect off; set $app_name "app-0";
    add_header X-Request-Id $request_id always; add_header X-Correlation-Id $correlation_id always;
    location / {
      proxy_buffering off;
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $access_scheme; proxy_set_header X-Forwarded-Port $forwarded_port;
      proxy_redirect off; proxy_http_version 1.1; proxy_connect_timeout 30s; proxy_send_timeout 1300s; proxy_read_timeout 1300s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Request-Id $request_id; proxy_set_header X-Correlation-Id $correlation_id;
      proxy_pass http://127.0.0.1:${originPort};
    }
  }
}
`
}

/** nginx with a pool of connections to the app, which is how its own documentation has it, and a server for each host. */
export function nginxWithPool({ port, originPort, folder, hostCount = 1 }: PeerPlace, tls?: PeerTls): string {
  const https =
    tls &&
    `listen 127.0.0.1:${tls.port} ssl http2 backlog=4096; ssl_certificate ${tls.certificateFile}; ssl_certificate_key ${tls.keyFile}; ssl_protocols TLSv1.2 TLSv1.3;`
  const server = (index: number) => `  server {
    listen 127.0.0.1:${port} ${index === 0 ? 'backlog=4096' : ''}; ${https ?? ''} server_name app-${index}.test;
    location / {
      proxy_pass http://app; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_max_temp_file_size 0;
    }
  }
`
  return `${mainLines(folder)}
events { worker_connections 40000; }
http {
  ${tempPaths(folder)}
  tcp_nodelay on; access_log off; client_max_body_size 0;
  keepalive_timeout 1300s; keepalive_requests 1000000000;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream app { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 1000000000; }
  server_names_hash_max_size ${Math.max(512, hostCount * 8)};
${Array.from({ length: hostCount }, (_, index) => server(index)).join('')}}
`
}

function mainLines(folder: string): string {
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `daemon off; ${user} worker_processes 1; worker_rlimit_nofile 20000; pid ${join(folder, 'pid')}; error_log stderr crit;`
}

function tempPaths(folder: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${join(folder, kind)};`).join(' ')
}
