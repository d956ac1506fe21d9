/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines of a Windows build.
 */
#include "db/engine/engine.h"

const struct ud_engine *const ud_engines[] = { &ud_engine_sqlite, NULL };
