#ifndef WALRELAY_CLZ4_SHIM_H
#define WALRELAY_CLZ4_SHIM_H

#include <lz4frame.h>

#endif
