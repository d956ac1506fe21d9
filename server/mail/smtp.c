/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of people go into headers as encoded words (RFC 2047) and into the body as base64, always:
 * then there is nothing to escape, and no line is too long.
 */
#include "server/mail/smtp.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/time.h"

enum {
	WORD_BYTES = 42, /* of text in one encoded word: 75 characters at most with its frame */
	LINE_BYTES = 57, /* of text in a line of 76 characters of base64 */
	CONNECT_MS = 10000,
	SEND_MS = 30000
};

static void put_base64(struct ud_buf *out, const char *data, size_t n)
{
	unsigned char text[96];

	EVP_EncodeBlock(text, (const unsigned char *)data, (int)n);
	ud_buf_puts(out, (const char *)text);
}

/* Bytes up to a limit that end with a whole character. */
static size_t whole(const char *text, size_t limit)
{
	size_t n = strlen(text);

	if (n <= limit)
		return n;
	for (n = limit; n > 1 && ((unsigned char)text[n] & 0xC0) == 0x80;)
		n--;
	return n;
}

static void put_words(struct ud_buf *out, const char *text)
{
	for (bool first = true; *text; first = false) {
		size_t n = whole(text, WORD_BYTES);

		ud_buf_puts(out, first ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
		put_base64(out, text, n);
		ud_buf_puts(out, "?=");
		text += n;
	}
}

static void put_date(struct ud_buf *out, int64_t ms)
{
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t day = ms / 86400000, second = ms / 1000 % 86400;
	int y, m, d;

	ud_civil_from_days(day, &y, &m, &d);
	ud_buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[ud_weekday(day)],
		d, months[m - 1], y, (int)(second / 3600), (int)(second / 60 % 60),
		(int)(second % 60));
}

void ud_smtp_write(const struct ud_smtp *smtp, const struct ud_letter_text *l, struct ud_buf *out)
{
	const char *at = strrchr(smtp->from, '@');
	size_t n = strlen(l->body);

	put_date(out, l->written_ms);
	ud_buf_puts(out, "From: ");
	if (smtp->name && *smtp->name)
		put_words(out, smtp->name);
	ud_buf_printf(out, " <%s>\r\nTo: <%s>\r\nSubject: ", smtp->from, l->to);
	put_words(out, l->subject);
	ud_buf_printf(out,
		"\r\nMessage-ID: <%s%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		l->id, at ? at : "@localhost");
	for (size_t i = 0; i < n; i += LINE_BYTES) {
		put_base64(out, l->body + i, n - i < LINE_BYTES ? n - i : LINE_BYTES);
		ud_buf_puts(out, "\r\n");
	}
}

struct reading {
	const char *data;
	size_t left;
};

static size_t on_read(char *to, size_t size, size_t n, void *data)
{
	struct reading *r = data;
	size_t most = size * n < r->left ? size * n : r->left;

	memcpy(to, r->data, most);
	r->data += most;
	r->left -= most;
	return most;
}

/* The last line that the server said. */
struct hearing {
	char line[300];
};

static size_t on_line(char *data, size_t size, size_t n, void *to)
{
	struct hearing *h = to;
	size_t len = size * n < sizeof(h->line) ? size * n : sizeof(h->line) - 1;

	while (len && (data[len - 1] == '\r' || data[len - 1] == '\n'))
		len--;
	memcpy(h->line, data, len);
	h->line[len] = 0;
	return size * n;
}

static void set_way(CURL *c, const struct ud_smtp *smtp)
{
	curl_easy_setopt(c, CURLOPT_URL, smtp->server);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(
		c, CURLOPT_USE_SSL, smtp->plain ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL);
	if (smtp->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, smtp->ca_file);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)SEND_MS);
	if (!smtp->user)
		return;
	curl_easy_setopt(c, CURLOPT_USERNAME, smtp->user);
	curl_easy_setopt(c, CURLOPT_PASSWORD, smtp->password ? smtp->password : "");
}

enum ud_code ud_smtp_send(struct ud_ctx *cx, const struct ud_smtp *smtp,
	const struct ud_letter_text *letter, const char **ret_said)
{
	struct curl_slist *to = curl_slist_append(NULL, letter->to);
	char why[CURL_ERROR_SIZE] = "";
	struct hearing heard = { "" };
	struct ud_buf text = { 0 };
	CURL *c = curl_easy_init();

	ud_smtp_write(smtp, letter, &text);
	struct reading reading = { text.data, text.len };

	set_way(c, smtp);
	curl_easy_setopt(c, CURLOPT_MAIL_FROM, smtp->from);
	curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(c, CURLOPT_READDATA, &reading);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_line);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &heard);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	CURLcode rc = curl_easy_perform(c);

	*ret_said = ud_strdup(cx->arena, heard.line);

	curl_easy_cleanup(c);
	curl_slist_free_all(to);
	ud_buf_free(&text);
	if (rc == CURLE_OK)
		return UD_OK;
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
		"The mail server did not take the letter: %s%s%s",
		*why ? why : curl_easy_strerror(rc), **ret_said ? "; it said " : "", *ret_said);
}
