#ifndef WALRELAY_CLIBPQ_SHIM_H
#define WALRELAY_CLIBPQ_SHIM_H

#include <libpq-fe.h>

#endif
