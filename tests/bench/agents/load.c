/* SPDX-License-Identifier: Apache-2.0 */
/*
 * N workers that wait for jobs at one server, each on a connection of its own, and customers who
 * hand jobs in. Prints "figure SERVER NAME VALUE" lines; exits 1 when a job is lost or an answer is
 * an error.
 *   load SERVER N PID PORT JOB-PORT DIR PHASE…
 *   SERVER: ours redis beanstalkd; DIR: of ours, with agents and token; - for others
 *   PHASE: connect idle:SECONDS jobs:COUNT:IN-FLIGHT storm beats:COUNT:IN-FLIGHT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/env.h"
#include "wires.h"

enum { WINDOW = 256, CUSTOMERS_MAX = 64, BATCH = 512, PATIENCE_US = 180000000 };

struct conn {
	struct worker *worker; /* of a customer: whom its job is for */
	int fd;
	SSL *ssl;
	bool shaking, customer;
	enum phase phase;
	struct ud_buf in;
};

struct agent {
	struct worker worker;
	struct conn conn;
	X509 *certificate;
	EVP_PKEY *key;
	int64_t put_us; /* its job was handed in; 0 = none is under way */
};

struct load {
	const struct wire *wire;
	int n, pid, port, job_port;
	char token[128];
	struct agent *agents;
	struct conn customers[CUSTOMERS_MAX];
	SSL_CTX *tls;
	int epoll;
	bool workers_wait; /* who has nothing to do waits for a job */
	int shaking, waiting;
	int open;               /* jobs under way */
	int64_t *times;         /* of what is measured, microseconds */
	int measured, answered; /* jobs that arrived, or beats; jobs of which all is done */
	struct ud_buf out;
	uint64_t dice;
};

static void die(const struct load *l, const char *what)
{
	fprintf(stderr, "load: %s: %s (%s)\n", l->wire->name, what, strerror(errno));
	exit(1);
}

static void figure(const struct load *l, const char *name, double value)
{
	printf("figure %s %s %.2f\n", l->wire->name, name, value);
	fflush(stdout);
}

/* ---- the server's process ---- */

static double cpu_seconds(const struct load *l)
{
	char path[64], text[512], *p = NULL;
	unsigned long user = 0, system = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", l->pid);
	FILE *f = fopen(path, "r");

	if (!f || !fgets(text, sizeof(text), f) || !(p = strrchr(text, ')')))
		die(l, path);
	fclose(f);
	sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double resident_kib(const struct load *l)
{
	char path[64], text[256];
	long kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", l->pid);
	FILE *f = fopen(path, "r");

	while (f && fgets(text, sizeof(text), f))
		if (sscanf(text, "VmRSS: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (double)kib;
}

/* ---- connections ---- */

static void dial(struct load *l, struct conn *c, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)(void *)&to, sizeof(to)) != 0)
		die(l, "connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	struct epoll_event e = { EPOLLIN, { .ptr = c } };

	epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
}

/* Without a farewell, and without leaving a port in TIME_WAIT. */
static void hang_up(struct conn *c)
{
	struct linger now = { 1, 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	ud_buf_free(&c->in);
}

/* Requests are small and the socket's buffer is empty before each. */
static void say(struct load *l, struct conn *c, enum phase phase)
{
	l->out.len = 0;
	c->phase = phase;
	l->wire->say(&l->out, phase, c->worker, l->token);
	if (!l->out.len)
		return;
	ssize_t sent = c->ssl ? SSL_write(c->ssl, l->out.data, (int)l->out.len)
			      : send(c->fd, l->out.data, l->out.len, MSG_NOSIGNAL);

	if (sent != (ssize_t)l->out.len)
		die(l, "send");
}

static void wait_for_job(struct load *l, struct conn *c)
{
	if (!l->workers_wait) {
		c->phase = IDLE;
		return;
	}
	say(l, c, WAITING);
	l->waiting++;
}

static struct agent *agent_of(const struct conn *c)
{
	return UD_OUTER(c->worker, struct agent, worker);
}

/* The connection stands: introduce oneself, where that is the custom, and wait. */
static void begin(struct load *l, struct conn *c)
{
	if (!l->workers_wait) {
		/* who says nothing is cut off after some seconds */
		agent_of(c)->put_us = ud_stopwatch_us();
		l->open++;
		say(l, c, BEAT);
		return;
	}
	say(l, c, HELLO);
	if (!l->out.len)
		wait_for_job(l, c);
}

static void shake(struct load *l, struct conn *c)
{
	int rc = SSL_connect(c->ssl);

	if (rc != 1) {
		if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ)
			die(l, "handshake");
		return;
	}
	c->shaking = false;
	l->shaking--;
	begin(l, c);
}

static void dial_agent(struct load *l, struct agent *a)
{
	a->conn = (struct conn){ .worker = &a->worker };
	dial(l, &a->conn, l->port);
	if (!l->wire->tls) {
		begin(l, &a->conn);
		return;
	}
	a->conn.ssl = SSL_new(l->tls);
	a->conn.shaking = true;
	SSL_set_fd(a->conn.ssl, a->conn.fd);
	SSL_use_certificate(a->conn.ssl, a->certificate);
	SSL_use_PrivateKey(a->conn.ssl, a->key);
	l->shaking++;
	shake(l, &a->conn);
}

/* ---- answers ---- */

static void job_done(struct load *l, struct agent *a)
{
	a->put_us = 0;
	l->answered++;
	l->open--;
}

static void worker_heard(struct load *l, struct conn *c, bool job)
{
	struct agent *a = agent_of(c);

	if (c->phase == BEAT) {
		l->times[l->measured++] = ud_stopwatch_us() - a->put_us;
		a->put_us = 0;
		l->open--;
		c->phase = IDLE;
		return;
	}
	l->waiting -= c->phase == WAITING;
	if (c->phase != WAITING || !job) {
		if (c->phase == DONE)
			job_done(l, a);
		wait_for_job(l, c);
		return;
	}
	if (!a->put_us)
		die(l, "a job came twice");
	l->times[l->measured++] = ud_stopwatch_us() - a->put_us;
	say(l, c, DONE);
	if (!l->out.len) { /* nothing to acknowledge here */
		job_done(l, a);
		wait_for_job(l, c);
	}
}

static void heard(struct load *l, struct conn *c)
{
	for (;;) {
		bool job = false;
		int n = c->in.len ? l->wire->hear(ud_buf_text(&c->in), c->phase, c->worker, &job)
				  : 0;

		if (n < 0)
			die(l, "an answer is an error");
		if (n == 0)
			return;
		memmove(c->in.data, c->in.data + n, c->in.len - (size_t)n);
		c->in.len -= (size_t)n;
		if (c->customer)
			c->phase = IDLE;
		else
			worker_heard(l, c, job);
		if (!c->in.len)
			ud_buf_free(&c->in);
	}
}

static void receive(struct load *l, struct conn *c)
{
	char piece[8192];

	if (c->shaking) {
		shake(l, c);
		return;
	}
	for (;;) {
		ssize_t got = c->ssl ? SSL_read(c->ssl, piece, sizeof(piece))
				     : recv(c->fd, piece, sizeof(piece), 0);

		if (got <= 0) {
			bool more = c->ssl ? SSL_get_error(c->ssl, (int)got) == SSL_ERROR_WANT_READ
					   : got < 0 && errno == EAGAIN;

			if (!more)
				die(l, "the server hung up");
			break;
		}
		ud_buf_add(&c->in, piece, (size_t)got);
	}
	heard(l, c);
}

static void turn(struct load *l, int wait_ms)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(l->epoll, events, BATCH, wait_ms);

	for (int i = 0; i < n; i++)
		receive(l, events[i].data.ptr);
}

/* ---- phases ---- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_times(struct load *l, const char *name, int64_t took_us)
{
	char text[64];
	static const int parts[] = { 50, 99 };

	qsort(l->times, (size_t)l->measured, sizeof(*l->times), compare);
	for (size_t i = 0; i < UD_LEN(parts); i++) {
		snprintf(text, sizeof(text), "%s_p%d_us", name, parts[i]);
		figure(l, text, (double)l->times[(int64_t)l->measured * parts[i] / 100]);
	}
	snprintf(text, sizeof(text), "%s_max_us", name);
	figure(l, text, (double)l->times[l->measured - 1]);
	snprintf(text, sizeof(text), "%s_rate", name);
	figure(l, text, l->measured * 1e6 / (double)took_us);
}

static void check_patience(const struct load *l, int64_t began_us, const char *what)
{
	if (ud_stopwatch_us() - began_us > PATIENCE_US) {
		errno = ETIMEDOUT;
		die(l, what);
	}
}

static void connect_all(struct load *l, const char *name)
{
	int64_t began = ud_stopwatch_us();
	double cpu = cpu_seconds(l), kib = resident_kib(l);
	char text[64];

	l->workers_wait = true;
	for (int next = 0; l->waiting < l->n;) {
		while (next < l->n && next - l->waiting < WINDOW)
			dial_agent(l, &l->agents[next++]);
		turn(l, 1000);
		check_patience(l, began, "connecting");
	}
	snprintf(text, sizeof(text), "%s_seconds", name);
	figure(l, text, (double)(ud_stopwatch_us() - began) / 1e6);
	for (int64_t settled = ud_stopwatch_us() + 2000000; ud_stopwatch_us() < settled;)
		turn(l, 100);
	snprintf(text, sizeof(text), "%s_cpu_us_each", name);
	figure(l, text, (cpu_seconds(l) - cpu) * 1e6 / l->n);
	snprintf(text, sizeof(text), "%s_kib_each", name);
	figure(l, text, (resident_kib(l) - kib) / l->n);
	snprintf(text, sizeof(text), "%s_mib", name);
	figure(l, text, resident_kib(l) / 1024);
}

static void idle(struct load *l, int seconds)
{
	double cpu = cpu_seconds(l);

	for (int64_t end = ud_stopwatch_us() + (int64_t)seconds * 1000000; ud_stopwatch_us() < end;)
		turn(l, 100);
	figure(l, "idle_cpu_percent", (cpu_seconds(l) - cpu) * 100 / seconds);
}

static struct agent *somebody(struct load *l)
{
	for (;;) {
		l->dice = l->dice * 6364136223846793005U + 1442695040888963407U;
		struct agent *a = &l->agents[(l->dice >> 33) % (uint64_t)l->n];

		if (!a->put_us && a->conn.phase == (l->workers_wait ? WAITING : IDLE))
			return a;
	}
}

static struct conn *free_customer(struct load *l, int n)
{
	for (int i = 0; i < n; i++)
		if (l->customers[i].phase == IDLE)
			return &l->customers[i];
	return NULL;
}

static void jobs(struct load *l, int count, int in_flight)
{
	int customers = in_flight < CUSTOMERS_MAX ? in_flight : CUSTOMERS_MAX, sent = 0;
	char name[32];

	for (int i = 0; i < customers; i++) {
		l->customers[i] = (struct conn){ .customer = true, .phase = IDLE };
		dial(l, &l->customers[i], l->job_port);
	}
	l->measured = l->answered = 0;
	int64_t began = ud_stopwatch_us();
	double cpu = cpu_seconds(l);

	while (l->answered < count) {
		struct conn *c = NULL;

		while (sent < count && l->open < in_flight && (c = free_customer(l, customers))) {
			struct agent *a = somebody(l);

			c->worker = &a->worker;
			a->put_us = ud_stopwatch_us();
			l->open++;
			sent++;
			say(l, c, PUT);
		}
		turn(l, 1000);
		check_patience(l, began, "jobs");
	}
	int64_t took = ud_stopwatch_us() - began;

	snprintf(name, sizeof(name), "jobs%d", in_flight);
	print_times(l, name, took);
	snprintf(name, sizeof(name), "jobs%d_cpu_us_each", in_flight);
	figure(l, name, (cpu_seconds(l) - cpu) * 1e6 / count);
	while (free_customer(l, customers) == NULL)
		turn(l, 100);
	for (int i = 0; i < customers; i++) {
		while (l->customers[i].phase != IDLE)
			turn(l, 100);
		hang_up(&l->customers[i]);
	}
}

static void hang_up_all(struct load *l)
{
	for (int i = 0; i < l->n; i++)
		hang_up(&l->agents[i].conn);
	l->waiting = 0;
}

/* On connections that wait for nothing, as those of an agent beside its poll. */
static void beats(struct load *l, int count, int in_flight)
{
	int sent = 0, next = 0;
	int64_t began = ud_stopwatch_us();

	hang_up_all(l);
	l->workers_wait = false;
	l->measured = 0;
	while (next < l->n || l->shaking || l->open) {
		while (next < l->n && l->shaking + l->open < WINDOW)
			dial_agent(l, &l->agents[next++]);
		turn(l, 100);
		check_patience(l, began, "connecting");
	}
	l->measured = 0;
	began = ud_stopwatch_us();
	double cpu = cpu_seconds(l);

	while (l->measured < count) {
		for (; sent < count && l->open < in_flight; sent++, l->open++) {
			struct agent *a = somebody(l);

			a->put_us = ud_stopwatch_us();
			say(l, &a->conn, BEAT);
		}
		turn(l, 1000);
		check_patience(l, began, "beats");
	}
	int64_t took = ud_stopwatch_us() - began;

	print_times(l, "beats", took);
	figure(l, "beats_cpu_us_each", (cpu_seconds(l) - cpu) * 1e6 / count);
}

static void run_phase(struct load *l, char *phase)
{
	char *first = strchr(phase, ':'), *second = first ? strchr(first + 1, ':') : NULL;
	int count = first ? atoi(first + 1) : 0, in_flight = second ? atoi(second + 1) : 1;

	l->times = ud_realloc(l->times, ((size_t)count + (size_t)l->n + 1) * sizeof(*l->times));
	if (strcmp(phase, "connect") == 0)
		connect_all(l, "connect");
	else if (strcmp(phase, "storm") == 0) {
		hang_up_all(l);
		connect_all(l, "storm");
	} else if (strncmp(phase, "idle", 4) == 0)
		idle(l, count);
	else if (strncmp(phase, "jobs", 4) == 0)
		jobs(l, count, in_flight);
	else
		beats(l, count, in_flight);
}

/* ---- start ---- */

static void read_agents(struct load *l, const char *dir)
{
	char path[512], line[64];

	snprintf(path, sizeof(path), "%s/token", dir);
	FILE *f = fopen(path, "r");

	if (!f || !fgets(l->token, sizeof(l->token), f))
		die(l, path);
	fclose(f);
	snprintf(path, sizeof(path), "%s/agents", dir);
	f = fopen(path, "r");
	for (int i = 0; i < l->n; i++) {
		struct agent *a = &l->agents[i];

		if (!f || !fgets(line, sizeof(line), f))
			die(l, path);
		line[strcspn(line, "\n")] = 0;
		a->worker.host_id = ud_heap_strdup(line);
		a->certificate = PEM_read_X509(f, NULL, NULL, NULL);
		a->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		if (!a->certificate || !a->key)
			die(l, path);
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	struct load l = { .dice = 1 };
	struct rlimit files;

	if (argc < 8 || !(l.wire = wire_named(argv[1]))) {
		fputs("usage: load SERVER N PID PORT JOB-PORT DIR PHASE…\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	l.n = atoi(argv[2]);
	l.pid = atoi(argv[3]);
	l.port = atoi(argv[4]);
	l.job_port = atoi(argv[5]);
	l.agents = ud_malloc((size_t)l.n * sizeof(*l.agents));
	for (int i = 0; i < l.n; i++)
		l.agents[i].worker.number = i;
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l.wire->tls) {
		l.tls = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_mode(l.tls, SSL_MODE_RELEASE_BUFFERS);
		read_agents(&l, argv[6]);
	}
	for (int i = 7; i < argc; i++)
		run_phase(&l, argv[i]);
	return 0;
}
