/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of contents.
 */
#include "api/api.h"

const struct ud_routes *const ud_api[] = {
	&ud_api_customers,
	&ud_api_users,
	&ud_api_me,
	&ud_api_sessions,
	&ud_api_service_accounts,
	&ud_api_plumbing,
	NULL,
};
