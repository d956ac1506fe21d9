/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queueing answers, ours and the library's. libmicrohttpd answers what it cannot parse with pages
 * of its own; here they become problems like every other error.
 */
#ifndef SERVER_HTTP_PAGES_H
#define SERVER_HTTP_PAGES_H

#include <microhttpd.h>

/* Hand one of our answers to the library: MHD_queue_response without the change below. */
enum MHD_Result ud_queue_response(
	struct MHD_Connection *mhd, unsigned status, struct MHD_Response *response);

#endif
