/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's options: one table, read and written by it.
 */
#include "agent/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/options.h"

#define SCRUB_DAYS "7"
#define SCRUB_MIB "16"

/* clang-format off */
static const struct ud_option options[] = {
	{ "server", "url", UD_OPTION_URL, "", .about = "The server's port for agents." },
	{ "agent", "id", UD_OPTION_TEXT, "", .about = "Who this agent is; given at enrolment." },
	{ "agent", "host", UD_OPTION_TEXT, "", .about = "The host it speaks for." },
	{ "agent", "command_key", UD_OPTION_TEXT, "", .about = "Public key that commands must be signed with." },
	{ "hypervisor", "uri", UD_OPTION_TEXT, "qemu:///system", .about = "The hypervisor it drives." },
	{ "replication", "listen", UD_OPTION_PORT, "", .about = "Address for replication from other agents; empty = none." },
	{ "replication", "keytab", UD_OPTION_TEXT, "", .about = "Kerberos keys of understudy/AGENT_ID, for replication that is authenticated by Kerberos; empty = none." },
	{ "replication", "media", UD_OPTION_TEXT, "", .about = "Folder for first copies that do not come over the link: ID/initial.udr written and read, or ID/DISK.qcow2 and ID/DISK.raw read, of the replication ID; empty = none." },
	{ "replication", "scrub_days", UD_OPTION_INT, SCRUB_DAYS, 0, 365, .about = "Every replica on this host is read through and compared with its hashes in the background so often; 0 = never." },
	{ "replication", "scrub_mib_per_second", UD_OPTION_INT, SCRUB_MIB, 0, 100000, .about = "MiB a second that this reads at most; 0 = as fast as it goes." },
	{ "agent", "scripts", UD_OPTION_TEXT, "", .about = "Folder of programs that steps of recovery plans may run on this host, by file name: root's, for nobody else to change; empty = none." },
	{ "guard", "program", UD_OPTION_TEXT, "", .about = "Path of understudy-guard; empty = beside this program." },
	{ "guard", "watchdog", UD_OPTION_TEXT, "", .about = "The machine's watchdog device, for the lease guard to pet: /dev/watchdog; empty = none." },
	{ "log", "level", UD_OPTION_CHOICE, "info", .choices = "error warning info debug", .about = "What is logged." },
};
/* clang-format on */

/* The members in the order of the table. */
static const char **member(struct ud_agent_config *c, size_t i)
{
	const char **all[] = { &c->server_url, &c->agent_id, &c->host_id, &c->command_key,
		&c->hypervisor_uri, &c->replication_listen, &c->keytab, &c->media, &c->scrub_days,
		&c->scrub_mib_per_second, &c->scripts, &c->guard_program, &c->watchdog,
		&c->log_level };

	_Static_assert(UD_LEN(all) == UD_LEN(options), "a member for every option");
	return all[i];
}

const char *ud_agent_path(struct ud_ctx *cx, const struct ud_agent_config *config, const char *name)
{
	return ud_printf(cx->arena, "%s/%s", config->dir, name);
}

enum ud_code ud_agent_config_load(struct ud_ctx *cx, const char *path, struct ud_agent_config *ret)
{
	const char *text[UD_LEN(options)];
	size_t head = ud_path_head(path);

	UD_TRY(ud_options_load_table(cx, path, options, UD_LEN(options), text, NULL));
	ret->dir = head ? ud_strndup(cx->arena, path, head - 1) : ".";
	for (size_t i = 0; i < UD_LEN(options); i++)
		*member(ret, i) = text[i];
	return UD_OK;
}

int64_t ud_agent_scrub_every_ms(const struct ud_agent_config *config)
{
	const char *days = config->scrub_days ? config->scrub_days : SCRUB_DAYS;

	return strtoll(days, NULL, 10) * 24 * 3600 * 1000;
}

int64_t ud_agent_scrub_rate(const struct ud_agent_config *config)
{
	const char *mib = config->scrub_mib_per_second ? config->scrub_mib_per_second : SCRUB_MIB;

	return strtoll(mib, NULL, 10) << 20;
}

enum ud_code ud_agent_config_store(struct ud_ctx *cx, const struct ud_agent_config *config)
{
	struct ud_agent_config copy = *config;
	struct ud_buf b = { 0 };
	const char *section = "";

	ud_buf_puts(&b, "; Written at enrolment. Restart the agent after a change.\n");
	for (size_t i = 0; i < UD_LEN(options); i++) {
		const struct ud_option *o = &options[i];
		const char *value = *member(&copy, i);

		if (strcmp(section, o->section) != 0)
			ud_buf_printf(&b, "\n[%s]\n", o->section);
		section = o->section;
		ud_buf_printf(&b, "; %s\n%s=%s\n", o->about, o->key, value ? value : o->standard);
	}
	enum ud_code code =
		ud_file_write(cx, ud_agent_path(cx, config, "agent.conf"), b.data, b.len, 0600);

	ud_buf_free(&b);
	return code;
}
