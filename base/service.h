/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of ours as a service of Windows: put in, taken out, started, and being one. Windows
 * alone; on Linux systemd's units do it.
 */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

#include "base/ctx.h"

struct ud_service {
	const char *name, *title, *about;
	const char *const *argv; /* ended by NULL; argv[0] is an absolute path */
};

/*
 * Put a service in that starts with the machine, as LocalSystem, and is started again when it dies.
 * UD_E_ALREADY_EXISTS; UD_E_UNAVAILABLE with the reason, as from all of these functions.
 */
enum ud_code ud_service_install(struct ud_ctx *cx, const struct ud_service *service) UD_USE;
/* Stop it, wait for its end, take it out. UD_E_NOT_FOUND. */
enum ud_code ud_service_remove(struct ud_ctx *cx, const char *name) UD_USE;
/* Start it; UD_OK also when it runs. UD_E_NOT_FOUND also when it was put in with other arguments.
 */
enum ud_code ud_service_start(struct ud_ctx *cx, const char *name, const char *const *argv) UD_USE;

/* What a service does until the event (a HANDLE) is set; the result is its exit code. */
typedef int ud_service_work(void *data, void *stop);
/*
 * Be the service of this name: called by a program that Windows started as one. Returns when the
 * work has. UD_E_INVALID_STATE when Windows did not start it so.
 */
enum ud_code ud_service_be(struct ud_ctx *cx, const char *name, ud_service_work *work, void *data)
	UD_USE;
/* From now on standard error is the end of this file; one of more than 10 MiB is put aside first,
 * as FILE.1. A service has no other. */
enum ud_code ud_service_log(struct ud_ctx *cx, const char *path) UD_USE;
/* An event that Ctrl-C, a closed console and the system's end set: the stop of a work that is no
 * service. */
void *ud_console_stop(void);

#endif
