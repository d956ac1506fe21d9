/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: a singleton that operators read and change.
 */
#include "db/settings.h"
#include "api/answers.h"
#include "api/api.h"
#include "api/verbs.h"
#include "db/installation.h"
#include "db/people.h"
#include "server/http/server.h"
#include "server/mail/trial.h"

static const struct ud_resource settings = { .table = &ud_settings_table };
static const struct ud_resource operations = { .table = &ud_operations };

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	rq->arg[0] = UD_SETTINGS_ID;
	return ud_rest_show(cx, rq);
}

static enum ud_code edit(struct ud_ctx *cx, struct ud_request *rq)
{
	rq->arg[0] = UD_SETTINGS_ID;
	return ud_rest_edit(cx, rq);
}

/* What the newest copy says of itself; null before the first. */
static enum ud_code backup(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *manifest = NULL;
	bool found = false;

	UD_TRY(ud_installation_get(cx, ud_installation_last_backup, &found, &manifest));
	ud_buf_puts(&rq->out, "{\"object\":\"backup_status\",\"latest\":");
	ud_buf_puts(&rq->out, found ? manifest : "null");
	ud_buf_putc(&rq->out, '}');
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* A letter to whoever asks, as an operation: a mail server may take its time. */
static enum ud_code test_mail(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_operation op = { 0 };
	struct ud_settings s = { 0 };
	struct ud_user u = { 0 };

	UD_TRY(ud_row_get(cx, &ud_settings_table, UD_SETTINGS_ID, &s));
	UD_TRY(ud_row_get(cx, &ud_users, rq->scope.id, &u));
	if (!rq->server->settings.smtp.server)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"No mail server is configured: [mail] server.");
	UD_TRY(ud_mail_trial_begin(cx, u.email, u.display_name, s.name, &op));
	return ud_answer_operation(cx, rq, &op);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",   "/v1/settings", "settings.show", UD_OPERATOR | UD_R(SUPPORT_LEAD) | UD_R(AUDITOR), "settings:read",  0, .resource = &settings, .handle = show, .about = "Show the settings of the installation." },
	{ "GET",   "/v1/settings/backup", "settings.backup", UD_OPERATOR | UD_R(SUPPORT_LEAD) | UD_R(AUDITOR), "settings:read", 0, .answer = &ud_backup_status_shape, .handle = backup, .about = "Show what the newest backup of the database says of itself: when it was made, its size and what it holds." },
	{ "POST",  "/v1/settings/mail/test", "settings.test-mail", UD_OPERATOR, "settings:write", UD_WRITE | UD_PERSON, .status = 202, .resource = &operations, .handle = test_mail, .about = "Send a letter to oneself; the operation ends with what the mail server said." },
	{ "PATCH", "/v1/settings", "settings.edit", UD_OPERATOR,                                       "settings:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &settings, .handle = edit, .about = "Change the settings of the installation." },
};
/* clang-format on */
const struct ud_routes ud_api_settings = { "Settings", rows, UD_LEN(rows) };
