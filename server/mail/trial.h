/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A letter that an operator sends to themselves to see whether letters leave. One try, as an
 * operation, and what the mail server said to it.
 */
#ifndef SERVER_MAIL_TRIAL_H
#define SERVER_MAIL_TRIAL_H

#include "server/jobs/jobs.h"

#define UD_MAIL_TRIAL_KIND "mail_test"

/* Begin the operation: a letter to this person in the name of the installation. */
enum ud_code ud_mail_trial_begin(struct ud_ctx *cx, const char *email, const char *display_name,
	const char *installation, struct ud_operation *ret) UD_USE;
/* Its work. The result is {"object":"mail_test","to","server","said"}; UD_E_DEPENDENCY with the
 * reason when the letter was not taken. */
ud_job_run ud_mail_trial_send;

#endif
