/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications on their way to people by mail: one thread that takes what is due, sends it outside
 * of any transaction, and stores how it went. A letter is tried again for a day, ever more rarely.
 * Of several servers each takes other letters. When a server ends between sending and storing, the
 * letter comes twice, with one Message-ID.
 */
#ifndef SERVER_MAIL_MAIL_H
#define SERVER_MAIL_MAIL_H

#include "db/engine/database.h"
#include "server/mail/smtp.h"

struct ud_mail;

/* Start the thread; *ret = NULL when no mail server is set. base_url is where people find the
 * portal. smtp's texts, base_url and env outlive it. Release before the database. */
enum ud_code ud_mail_start(struct ud_ctx *cx, ud_database *db, const struct ud_smtp *smtp,
	const char *base_url, const struct ud_env *env, struct ud_mail **ret) UD_USE;
/* Ends after the letter that is being sent; takes NULL. */
void ud_mail_release(struct ud_mail **mail);
/* Look for letters now; any thread, never blocks. Takes NULL. */
void ud_mail_wake(struct ud_mail *mail);

#endif
