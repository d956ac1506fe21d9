/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operation's input is the letter's; its id is the letter's, so that a second worker's copy is
 * known as one.
 */
#include "server/mail/trial.h"

#include <string.h>

#include "db/events.h"
#include "server/mail/smtp.h"

struct input {
	const char *email, *display_name, *installation;
};
struct outcome {
	const char *to, *server, *said;
};
/* clang-format off */
static const struct ud_field input_fields[] = {
	UD_FIELD(input, email,        .flags = UD_REQUIRED),
	UD_FIELD(input, display_name, .flags = UD_REQUIRED),
	UD_FIELD(input, installation, .flags = UD_REQUIRED),
};
static const struct ud_field outcome_fields[] = {
	UD_FIELD(outcome, to),
	UD_FIELD(outcome, server),
	UD_FIELD(outcome, said),
};
/* clang-format on */
static const struct ud_shape input_shape = { UD_SHAPE(input, input_fields), .bare = true };
static const struct ud_shape outcome_shape = { UD_SHAPE(outcome, outcome_fields), .bare = true,
	.object = "mail_test" };

enum ud_code ud_mail_trial_begin(struct ud_ctx *cx, const char *email, const char *display_name,
	const char *installation, struct ud_operation *ret)
{
	struct input in = { email, display_name, installation };
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &input_shape, &in, NULL);
	*ret = (struct ud_operation){ .kind = UD_MAIL_TRIAL_KIND, .requested_by = cx->scope->id };
	ret->input.text = ud_buf_take(cx->arena, &b);
	UD_TRY(ud_row_insert(cx, &ud_operations, ret));
	return ud_event_add(cx, "created", ud_operations.shape, NULL, ret);
}

enum ud_code ud_mail_trial_send(struct ud_ctx *cx, struct ud_job *job)
{
	const struct ud_smtp *smtp = job->means->smtp;
	const char *text = job->op.input.text ? job->op.input.text : "{}", *said = NULL;
	struct input in = { 0 };
	struct ud_buf b = { 0 };

	UD_TRY(ud_shape_read(cx, &input_shape, text, strlen(text), &in));
	if (!smtp->server)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "No mail server is configured.");
	const struct ud_letter_text letter = { .id = job->op.row.id,
		.to = in.email,
		.subject = ud_printf(cx->arena, "A test letter of %s", in.installation),
		.body = ud_printf(cx->arena,
			"%s,\n\nyou asked for this letter to see whether letters leave %s. They do.\n",
			in.display_name, in.installation),
		.written_ms = job->op.row.created_at.ms };

	if (ud_smtp_send(cx, smtp, &letter, &said) != UD_OK)
		return ud_fail(
			cx, UD_E_DEPENDENCY, NULL, "%s", ud_strdup(cx->arena, cx->problem.detail));
	struct outcome o = { in.email, smtp->server, said };

	ud_shape_encode(&b, &outcome_shape, &o, NULL);
	job->op.result.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}
