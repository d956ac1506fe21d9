/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent's connection is reset while it waits for commands: the server lets go of it at once. One
 * that it kept would be told of by the system for ever, and cost a core until the wait is over.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/agents.h"

/* Well below the wait, at whose end the connection would be closed anyhow. */
enum { WAIT_S = 25, EVENT_MS = 15000, CONNECTIONS = 8 };

/* One that was reset has no peer any more, and is none. */
static bool is_listener(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

static int number_of(const struct port *p)
{
	return atoi(strrchr(p->url, ':') + 1);
}

/* Connections that the port has now: all that this process has open is looked through. */
static int connections(const struct port *p)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d));) {
		struct sockaddr_in own = { 0 };
		socklen_t m = sizeof(own);
		int fd = atoi(e->d_name);

		n += getsockname(fd, (struct sockaddr *)&own, &m) == 0 &&
			own.sin_family == AF_INET && ntohs(own.sin_port) == number_of(p) &&
			!is_listener(fd);
	}
	closedir(d);
	return n;
}

static void until_there_are(const struct port *p, int wanted, const char *what)
{
	int64_t last = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (connections(p) != wanted) {
		if (ud_mono_ms(&ud_env_real) > last)
			fail_msg("%s: the port has %d connections instead of %d", what,
				connections(p), wanted);
		poll(NULL, 0, 20); /* nobody tells what the server's threads close */
	}
}

static SSL_CTX *client_of(const struct shown *who)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	BIO *certificate = BIO_new_mem_buf(who->certificate, -1);
	BIO *key = BIO_new_mem_buf(who->key, -1);
	X509 *leaf = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
	EVP_PKEY *private_key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	assert_int_equal(SSL_CTX_use_certificate(tls, leaf), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls, private_key), 1);
	X509_free(leaf);
	EVP_PKEY_free(private_key);
	BIO_free(certificate);
	BIO_free(key);
	return tls;
}

/* Connect, and ask for commands as an agent does. */
static SSL *ask(struct port *p, SSL_CTX *tls)
{
	static const char body[] =
		"{\"agent_boot\":\"run\",\"host_boot\":\"boot\",\"agent_version\":\"0\",\"working\":[]}";
	const char *text = fmt(p->w,
		"POST /v1/agent/poll?wait=%d HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		WAIT_S, strlen(body), body);
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)number_of(p)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(tls);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	SSL_set_fd(ssl, fd);
	assert_int_equal(SSL_connect(ssl), 1);
	assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
	return ssl;
}

/* No farewell: what a machine does that has lost the connection, or a firewall. */
static void reset(SSL *ssl)
{
	const struct linger at_once = { 1, 0 };
	int fd = SSL_get_fd(ssl);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	SSL_free(ssl);
	close(fd);
}

static void until_it_waits(struct port *p, const char *agent_id)
{
	const char *path = fmt(p->w, "/v1/agents/%s", agent_id);
	int64_t last = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (!strstr(expect(p->w, AUDITOR, "GET", path, NULL, 200).body, "\"connected\":true")) {
		if (ud_mono_ms(&ud_env_real) > last)
			fail_msg("it is not connected");
		poll(NULL, 0, 20); /* presence is no event */
	}
}

static void a_connection_that_was_reset_is_let_go_of_at_once(void **state)
{
	struct world *w = world_begin();
	struct port *p = port_begin(w, ud_agent_routes);
	struct shown who[CONNECTIONS];
	SSL *ssl[CONNECTIONS];

	(void)state;
	for (int i = 0; i < CONNECTIONS; i++)
		who[i] = port_enroll(p, port_host(p));
	until_there_are(p, 0, "before");
	for (int i = 0; i < CONNECTIONS; i++) {
		SSL_CTX *tls = client_of(&who[i]);

		ssl[i] = ask(p, tls);
		SSL_CTX_free(tls);
		until_it_waits(p, who[i].id);
	}
	until_there_are(p, CONNECTIONS, "while they wait");
	for (int i = 0; i < CONNECTIONS; i++)
		reset(ssl[i]);
	until_there_are(p, 0, "after they were reset");
	port_end(p);
	world_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_that_was_reset_is_let_go_of_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
