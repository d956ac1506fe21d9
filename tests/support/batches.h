/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which calls go into which batch, told from the route table alone.
 */
#ifndef TESTS_SUPPORT_BATCHES_H
#define TESTS_SUPPORT_BATCHES_H

#include "server/http/http.h"

/* "/v1/vms" is the collection of "/v1/vms/{id}/start"; bytes of it in the path. */
size_t collection_length(const char *path);
/* Does a call stand alone? So does what reads, what is a file, what anybody may, and what belongs
 * to no collection. */
bool stands_alone(const struct ud_route *r);
/* The batch that takes a call, or NULL. */
const struct ud_route *batch_of(const struct ud_route *r);

#endif
