/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library has no option for its error pages, but it queues them with its own public function
 * and calls that through the linkage table: the definition here is the one it finds. Whatever
 * arrives here comes from inside the library, for our code calls ud_queue_response. Linked
 * statically this would not link, and a test sees it should a later version call differently.
 */
#include "server/http/pages.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

typedef enum MHD_Result queue_function(struct MHD_Connection *, unsigned, struct MHD_Response *);

/* The library's own definition; the same for ever, so asking twice at once does no harm. */
static queue_function *real_queue(void)
{
	static _Atomic(void *) found;

	if (!found)
		found = dlsym(RTLD_NEXT, "MHD_queue_response");
	if (!found)
		abort(); /* libmicrohttpd without MHD_queue_response */
	return (queue_function *)(uintptr_t)found;
}

enum MHD_Result ud_queue_response(
	struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response)
{
	return real_queue()(mhd, status, response);
}

/* What the library's status means among our codes. */
static enum ud_code code_of(unsigned status)
{
	static const struct {
		unsigned status;
		enum ud_code code;
	} map[] = {
		{ 413, UD_E_BODY_TOO_LARGE },
		{ 414, UD_E_URI_TOO_LONG },
		{ 431, UD_E_HEADERS_TOO_LARGE },
		{ 500, UD_E_INTERNAL },
		{ 503, UD_E_OVERLOADED },
	};

	for (size_t i = 0; i < UD_LEN(map); i++)
		if (map[i].status == status)
			return map[i].code;
	return UD_E_MALFORMED;
}

enum MHD_Result MHD_queue_response(
	struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response)
{
	const struct ud_error_info *i = ud_error_info(code_of(status));
	char text[512];

	(void)response; /* the library's page; it lets go of it itself */
	snprintf(text, sizeof(text),
		"{\"type\":\"/problems/%s\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
		"\"detail\":\"The request was refused before it could be read whole.\",\"instance\":null,"
		"\"request_id\":null,\"retryable\":%s}",
		i->name, i->title, i->status, i->name, i->retryable ? "true" : "false");
	struct MHD_Response *problem =
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);

	if (!problem)
		return MHD_NO;
	MHD_add_response_header(problem, "Content-Type", "application/problem+json");
	MHD_add_response_header(problem, "Cache-Control", "no-store");
	MHD_add_response_header(problem, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(problem, "Connection", "close");
	enum MHD_Result queued = ud_queue_response(mhd, (unsigned)i->status, problem);

	MHD_destroy_response(problem);
	return queued;
}
