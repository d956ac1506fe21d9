/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a certificate to an agent, at every request on the agents' port: the row says whether it is
 * still believed, and so a revocation holds at once.
 */
#ifndef SERVER_AGENTS_IDENTITY_H
#define SERVER_AGENTS_IDENTITY_H

#include "server/http/http.h"

/* Who asks. Texts live as long as the request. */
struct ud_agent_identity {
	const char *agent_id, *host_id;
	const char *serial; /* of the certificate shown */
	const char *run;    /* of its process, as it says; "" when it says nothing */
	bool current;       /* the newest certificate, not the one before */
	bool confirmed;     /* the newest one has been shown before */
	bool first;         /* false: a waiting call that is looked at again */
	bool may_promote;   /* false: no command that promotes may be given to it */
};

enum { UD_AGENT_RUN_MAX = 64 };

/*
 * Make rq->scope and rq->agent from the connection's certificate. A route for anyone needs none.
 * UD_E_CERTIFICATE_REFUSED: none, not of our authority for agents, not made for clients, out of its
 * time, or not the certificate that the agent has now.
 */
enum ud_code ud_agent_scope(struct ud_ctx *cx, struct ud_request *rq) UD_USE;

#endif
