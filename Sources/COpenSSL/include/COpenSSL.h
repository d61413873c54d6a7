/// What OpenSSL offers only as macros, and the pieces of a TLS server that are made of them.
///
/// Whatever is returned as a pointer belongs to the caller, and is NULL on failure; the reason is
/// then the first one in OpenSSL's queue of errors.

#ifndef SEGUE_COPENSSL_H
#define SEGUE_COPENSSL_H

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Octets

/// Octets to be freed with ``segue_octets_free``; none when `base` is NULL.
struct segue_octets {
  unsigned char *base;
  size_t count;
};

void segue_octets_free(struct segue_octets octets);

// MARK: The wire

/// Both directions of one connection, in memory.
struct segue_wire {
  /// What has arrived. It is read in place, so it must stay valid while the connection is called.
  const unsigned char *input;
  size_t input_count;
  /// How many more octets may be read.
  size_t input_allowance;
  /// Whether more came than was allowed.
  bool exceeded;
  /// What is to be sent: `output_count` octets from `output_start` on.
  unsigned char *output;
  size_t output_start;
  size_t output_count;
  size_t output_capacity;
};

/// Makes a connection read from and write to `wire`, which must outlive it.
bool segue_wire_attach(SSL *connection, struct segue_wire *wire);

/// Forgets the first `count` octets of the output; the memory goes with the last one.
void segue_wire_sent(struct segue_wire *wire, size_t count);

/// Frees what the wire holds.
void segue_wire_clear(struct segue_wire *wire);

// MARK: The server's context

/// Octets of one ticket key: 16 of name, 32 for the HMAC, 32 for the cipher.
#define SEGUE_TICKET_KEY_SIZE 80

/// A context for servers: TLS 1.2 and 1.3, no renegotiation, no compression, no cache of sessions,
/// and tickets under `keys`: `count` of them, 1 or 2, of which the first one encrypts.
SSL_CTX *segue_server_context(const unsigned char *keys, size_t count);

// MARK: Certificates

/// A certificate with its chain and its key.
struct segue_identity {
  X509 *leaf;
  STACK_OF(X509) *chain;
  EVP_PKEY *key;
};

extern const int SEGUE_IDENTITY_READ;
extern const int SEGUE_IDENTITY_NO_CERTIFICATE;
extern const int SEGUE_IDENTITY_NO_KEY;
extern const int SEGUE_IDENTITY_MISMATCH;

/// Reads a chain, the certificate itself first, and its key, both as PEM.
///
/// Returns one of `SEGUE_IDENTITY_...`; `identity` is filled only if it was read.
int segue_identity_read(const void *chain, size_t chain_count, const void *key, size_t key_count,
                        struct segue_identity *identity);
void segue_identity_free(struct segue_identity *identity);

/// Has a connection present this identity.
bool segue_identity_use(SSL *connection, const struct segue_identity *identity);

/// The DNS names of subjectAltName, each followed by a line feed.
struct segue_octets segue_certificate_names(const X509 *certificate);

/// The begin and the end of its validity, in seconds since 1970; -1 if that can't be read.
int64_t segue_certificate_begin(const X509 *certificate);
int64_t segue_certificate_expiry(const X509 *certificate);

// MARK: Making certificates

/// A new private key on the curve P-256, as PEM.
struct segue_octets segue_key_generate(void);

/// A PKCS#10 request for `names`, subjectAltName's syntax (`DNS:a,DNS:b`), as DER (RFC 2986).
struct segue_octets segue_request(const void *key, size_t key_count, const char *names);

/// A certificate signed by its own key, as PEM, valid from an hour ago for `days`.
///
/// With `digest`, 32 octets, it carries the critical extension id-pe-acmeIdentifier (RFC 8737).
struct segue_octets segue_self_signed(const void *key, size_t key_count, const char *names,
                                      const unsigned char *digest, int days);

#endif
