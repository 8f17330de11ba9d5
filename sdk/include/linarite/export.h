// What the SDK's library shows of itself. Everything else in it is hidden.
#pragma once

#if defined(LINARITE_CLIENT_STATIC) || !defined(__GNUC__)
#define LINARITE_API
#else
#define LINARITE_API __attribute__((visibility("default")))
#endif
