// What is looked at in a DTLS datagram before OpenSSL sees it.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>

namespace conclave {

// How much of the datagram comes before a protected record that cannot hold its tag. OpenSSL would end the session over
// it, although anybody can send one: such records are to be dropped (RFC 6347 4.1.2.7).
size_t LengthOfWholeRecords(SSL* ssl, const uint8_t* bytes, size_t length);

}  // namespace conclave
