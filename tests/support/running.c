/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents that run inside the test: see agents.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/drivers/hyperv/hyperv.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "support/agents.h"
#include "support/scripted.h"

enum { PATIENCE_MS = 60000 };

static void must(struct ud_ctx *cx, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name,
			cx->problem.detail ? cx->problem.detail : "");
}

static void write_file(struct agent *a, const char *name, const char *text)
{
	struct ud_ctx *cx = &a->p->w->cx;

	must(cx, ud_file_write(cx, fmt(a->p->w, "%s/%s", a->dir, name), text, strlen(text), 0600));
}

static enum ud_code read_public(struct ud_ctx *cx, void *data)
{
	unsigned char key[UD_SIGN_KEY], out[UD_SIGN_PUBLIC];
	struct agent *a = data;

	UD_TRY(ud_command_key(cx, a->p->w->server->keys.seal, key));
	ud_sign_public(key, out);
	a->config.command_key = ud_base64url(cx->arena, out, sizeof(out));
	return UD_OK;
}

static bool dies(void *data, const struct ud_wire_command *command, const char *point)
{
	struct agent *a = data;

	const char *verb = a->verb;

	return verb && strcmp(verb, command->verb) == 0 && strcmp(a->point, point) == 0;
}

void agent_start(struct agent *a)
{
	struct ud_ctx *cx = &a->p->w->cx;

	static const struct ud_driver *const drivers[] = { &scripted_driver, &ud_driver_hyperv,
		NULL };

	/* before it goes on with what a crash has cut off, which it does at once */
	const struct ud_agent_hooks hooks = { dies, a };

	must(cx, ud_agent_begin(cx, &a->config, drivers, &a->p->w->env, &hooks, &a->run));
}

void agent_stop(struct agent *a)
{
	ud_agent_end(&a->run);
}

struct agent *agent_begin(struct port *p, const char *host_id, const char *uri)
{
	struct agent *a = ud_alloc(p->w->arena, sizeof(*a));

	a->p = p;
	a->shown = port_enroll(p, host_id);
	a->dir = fmt(p->w, "%s/%s", p->w->dir, a->shown.id);
	assert_int_equal(mkdir(a->dir, 0700), 0);
	write_file(a, "identity.pem", fmt(p->w, "%s%s", a->shown.certificate, a->shown.key));
	write_file(a, "ca.pem", ud_agents_ca(p->agents)->root);
	world_write(p->w, read_public, a);
	a->config.dir = a->dir;
	a->config.server_url = p->url;
	a->config.agent_id = a->shown.id;
	a->config.host_id = host_id;
	a->config.hypervisor_uri = uri;
	a->config.replication_listen = "";
	a->config.log_level = "error";
	a->config.guard_program = UD_BINARY_DIR "/understudy-guard";
	agent_start(a);
	return a;
}

/* Who holds the lock is a guard that runs; the number that an ended one has left is of no meaning,
 * or somebody else's by now. */
static void end_guard(struct agent *a)
{
	struct ud_ctx *cx = &a->p->w->cx;
	const char *path = fmt(a->p->w, "%s/guard.lock", a->dir), *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return;
	if (flock(fd, LOCK_SH | LOCK_NB) != 0 && ud_file_read(cx, path, 32, &text, &n) == UD_OK)
		kill((pid_t)strtol(text, NULL, 10), SIGKILL);
	close(fd);
	ud_ctx_clear(cx);
}

/* A guard that holds nothing ends by itself; this agent's is of no more use. */
void agent_end(struct agent *a)
{
	agent_stop(a);
	end_guard(a);
}

void agent_dies(struct agent *a, const char *verb, const char *point)
{
	a->point = point;
	a->verb = verb;
}

bool agent_died(struct agent *a)
{
	int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	while (!atomic_load(&ud_agent_station(a->run)->dead)) {
		if (ud_mono_ms(&ud_env_real) > until)
			return false;
		poll(NULL, 0, 2); /* the event is a flag that the runner's thread sets */
	}
	return true;
}

void agent_restart(struct agent *a)
{
	a->verb = NULL;
	agent_stop(a);
	agent_start(a);
}
