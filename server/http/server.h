/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running server: loops, database, limits, keys. main.c builds one; tests build one in process.
 */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include "db/commands.h"
#include "server/http/http.h"
#include "server/jobs/jobs.h"
#include "server/mail/smtp.h"

struct ud_agents;
struct ud_jobs;
struct ud_mail;
struct ud_limits;
struct ud_metrics;
struct ud_ticks;
struct ud_viewers;
struct ud_waiters;
struct ud_work;

struct ud_server_settings {
	/* "127.0.0.1:8080", "[::1]:0", "unix:/run/understudy/api.sock" */
	const char *listen;
	const char *public_url; /* "https://dr.example.net"; NULL = from listen */
	/* paths; NULL = plain HTTP, on loopback or a Unix socket only */
	const char *tls_cert, *tls_key;
	/*
	 * The same as PEM texts instead of files. On the agents' port, with tls_trust_text, clients
	 * are asked for a certificate, and ud_request_peer tells which one of that authority they
	 * showed.
	 */
	const char *tls_cert_text, *tls_key_text, *tls_trust_text;
	const char *trusted_proxies; /* comma-separated addresses whose X-Forwarded-For counts */
	int workers;                 /* 0 = one per core, 2 to 8 */
	int connections, per_address, requests_per_minute, burst, streams_per_user;
	const char *require_mfa; /* "none", "staff", "all" */
	int session_hours, idle_minutes;
	int idempotency_days;
	const char *attachments;  /* folder of uploaded files; NULL = none are taken */
	int lease_seconds;        /* of what hosts are granted */
	const char *fence_agents; /* folder of programs that speak to fence devices */
	const char *webhook_key, *webhook_allow, *webhook_ca_file; /* server/jobs/jobs.h */
	struct ud_smtp smtp; /* how letters leave; without a server none do */
	const char *metrics_allow, *metrics_token;
	/* what agents are enrolled with: address of their port, and the pin of our root; NULL =
	 * this installation has none */
	const char *agents_url, *ca_sha256;
	/* set for the server that is the agents' port: certificates are its credentials, it runs no
	 * jobs and has no streams */
	struct ud_agents *agents;
	/* the installation is a demo's, and its pages say so */
	bool demo;
	/* the work of time is done by ud_ticks_step alone: for tests */
	bool ticks_by_hand;
};

/* Secrets of the installation, read from its key file. Never logged. */
struct ud_keys {
	unsigned char pepper[32]; /* of password hashes */
	unsigned char cursor[32]; /* authenticates cursors */
	unsigned char seal[32];   /* seals stored secrets such as TOTP seeds */
};

struct ud_server {
	const struct ud_env *env;
	ud_database *db;
	struct ud_server_settings settings;
	struct ud_keys keys;
	const struct ud_routes *const *routes; /* NULL-terminated */
	struct ud_loop **loops;
	size_t loop_count;
	struct ud_slow *slow;
	struct ud_limits *limits;
	struct ud_waiters *waiters;
	struct ud_viewers *viewers;
	struct ud_metrics *metrics;
	struct ud_jobs *jobs;
	struct ud_job_means means;
	struct ud_ticks *ticks;
	struct ud_mail *mail;            /* NULL = none */
	struct ud_commanding commanding; /* with the keys above and the work's reactions */
	char *base_url;                  /* public_url or made from the bound address */
	int port;                        /* bound TCP port, 0 for a Unix socket */
};

/*
 * Start listening and serving. settings' texts, routes and work must outlive the server.
 * UD_E_UNAVAILABLE with the reason when it cannot listen. Release with ud_server_release.
 */
enum ud_code ud_server_start(struct ud_ctx *cx, ud_database *db,
	const struct ud_server_settings *settings, const struct ud_keys *keys,
	const struct ud_routes *const *routes, const struct ud_work *work, const struct ud_env *env,
	struct ud_server **ret) UD_USE;
/* Stop accepting, let running requests end (10 s at most), close. Takes NULL. */
void ud_server_release(struct ud_server **server);
/* Tell waiting requests and streams that something was committed. Any thread. */
void ud_server_changed(struct ud_server *server);
/* Run the handlers of requests that wait under this key (rq->wait_key) again, now. Any thread,
 * after the commit they are to see. */
void ud_server_wake(struct ud_server *server, const char *key);
/* True when the server speaks TLS itself. */
bool ud_server_tls(const struct ud_server_settings *settings);
/* Plain HTTP carries cookies and tokens: only where nobody else listens (a proxy brings TLS).
 * UD_E_UNAVAILABLE when listen is another address and there is no certificate. */
enum ud_code ud_server_check_plain(struct ud_ctx *cx, const struct ud_server_settings *settings)
	UD_USE;

#endif
