#define _GNU_SOURCE
#include "COpenSSL.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const int SEGUE_IDENTITY_READ = 0;
const int SEGUE_IDENTITY_NO_CERTIFICATE = 1;
const int SEGUE_IDENTITY_NO_KEY = 2;
const int SEGUE_IDENTITY_MISMATCH = 3;

/// Takes what a BIO in memory holds, and frees it.
static struct segue_octets drain(BIO *bio, bool complete) {
  struct segue_octets octets = {NULL, 0};
  char *base = NULL;
  long count = bio ? BIO_get_mem_data(bio, &base) : 0;
  if (complete && count > 0 && (octets.base = malloc((size_t)count))) {
    memcpy(octets.base, base, (size_t)count);
    octets.count = (size_t)count;
  }
  BIO_free(bio);
  return octets;
}

static BIO *reader(const void *base, size_t count) {
  return base && count <= INT_MAX ? BIO_new_mem_buf(base, (int)count) : NULL;
}

/// A key under a passphrase is refused rather than asked for on the terminal.
static int no_passphrase(char *buffer, int size, int writing, void *argument) {
  (void)buffer, (void)size, (void)writing, (void)argument;
  return -1;
}

static EVP_PKEY *read_key(const void *base, size_t count) {
  BIO *bio = reader(base, count);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
  BIO_free(bio);
  return key;
}

static bool read_chain(const void *base, size_t count, struct segue_identity *identity) {
  BIO *bio = reader(base, count);
  identity->leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
  identity->chain = identity->leaf ? sk_X509_new_null() : NULL;
  bool complete = identity->chain != NULL;
  while (complete) {
    X509 *next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (!next) {
      // The end of the file is the end of the chain; anything else is a damaged one.
      complete = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      if (complete) ERR_clear_error();
      break;
    }
    if (!sk_X509_push(identity->chain, next)) {
      X509_free(next);
      complete = false;
    }
  }
  BIO_free(bio);
  return complete;
}

void segue_identity_free(struct segue_identity *identity) {
  X509_free(identity->leaf);
  sk_X509_pop_free(identity->chain, X509_free);
  EVP_PKEY_free(identity->key);
  *identity = (struct segue_identity){NULL, NULL, NULL};
}

int segue_identity_read(const void *chain, size_t chain_count, const void *key, size_t key_count,
                        struct segue_identity *identity) {
  *identity = (struct segue_identity){NULL, NULL, NULL};
  int result = SEGUE_IDENTITY_READ;
  ERR_clear_error();
  if (!read_chain(chain, chain_count, identity)) {
    result = SEGUE_IDENTITY_NO_CERTIFICATE;
  } else if (!(identity->key = read_key(key, key_count))) {
    result = SEGUE_IDENTITY_NO_KEY;
  } else if (X509_check_private_key(identity->leaf, identity->key) != 1) {
    result = SEGUE_IDENTITY_MISMATCH;
  }
  if (result != SEGUE_IDENTITY_READ) segue_identity_free(identity);
  return result;
}

bool segue_identity_use(SSL *connection, const struct segue_identity *identity) {
  return SSL_use_cert_and_key(connection, identity->leaf, identity->key, identity->chain, 1) == 1;
}

struct segue_octets segue_certificate_names(const X509 *certificate) {
  BIO *bio = BIO_new(BIO_s_mem());
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int index = 0; bio && index < sk_GENERAL_NAME_num(names); index++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type != GEN_DNS) continue;
    const unsigned char *text = ASN1_STRING_get0_data(name->d.dNSName);
    int count = ASN1_STRING_length(name->d.dNSName);
    // A name with a control character in it is nobody's.
    bool plain = count > 0;
    for (int at = 0; at < count; at++) plain = plain && text[at] > ' ' && text[at] < 127;
    if (!plain) continue;
    BIO_write(bio, text, count);
    BIO_write(bio, "\n", 1);
  }
  GENERAL_NAMES_free(names);
  return drain(bio, true);
}

static int64_t seconds(const ASN1_TIME *moment) {
  struct tm time;
  return ASN1_TIME_to_tm(moment, &time) ? timegm(&time) : -1;
}

int64_t segue_certificate_begin(const X509 *certificate) {
  return seconds(X509_get0_notBefore(certificate));
}

int64_t segue_certificate_expiry(const X509 *certificate) {
  return seconds(X509_get0_notAfter(certificate));
}

struct segue_octets segue_key_generate(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  BIO *bio = BIO_new(BIO_s_mem());
  bool complete =
      key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
  EVP_PKEY_free(key);
  return drain(bio, complete);
}

struct segue_octets segue_request(const void *key_base, size_t key_count, const char *names) {
  EVP_PKEY *key = read_key(key_base, key_count);
  X509_REQ *request = X509_REQ_new();
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
  STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
  BIO *bio = BIO_new(BIO_s_mem());
  bool complete = key && request && extension && extensions && bio &&
                  sk_X509_EXTENSION_push(extensions, extension) &&
                  X509_REQ_add_extensions(request, extensions) &&
                  X509_REQ_set_version(request, X509_REQ_VERSION_1) &&
                  X509_REQ_set_pubkey(request, key) &&
                  X509_REQ_sign(request, key, EVP_sha256()) > 0 && i2d_X509_REQ_bio(bio, request);
  sk_X509_EXTENSION_free(extensions);
  X509_EXTENSION_free(extension);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return drain(bio, complete);
}

static bool add_extension(X509 *certificate, X509_EXTENSION *extension) {
  bool added = extension && X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added;
}

/// id-pe-acmeIdentifier: critical, an OCTET STRING that holds the digest (RFC 8737 section 3).
static X509_EXTENSION *acme_identifier(const unsigned char *digest) {
  unsigned char encoded[34] = {V_ASN1_OCTET_STRING, 32};
  memcpy(encoded + 2, digest, 32);
  ASN1_OBJECT *name = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
  ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
  X509_EXTENSION *extension = NULL;
  if (name && value && ASN1_OCTET_STRING_set(value, encoded, sizeof encoded)) {
    extension = X509_EXTENSION_create_by_OBJ(NULL, name, 1, value);
  }
  ASN1_OCTET_STRING_free(value);
  ASN1_OBJECT_free(name);
  return extension;
}

static bool set_serial(X509 *certificate) {
  uint64_t serial;
  if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (serial >> 1) | 1);
}

static bool set_subject(X509 *certificate) {
  X509_NAME *name = X509_get_subject_name(certificate);
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"segue", -1,
                                    -1, 0) &&
         X509_set_issuer_name(certificate, name);
}

struct segue_octets segue_self_signed(const void *key_base, size_t key_count, const char *names,
                                      const unsigned char *digest, int days) {
  EVP_PKEY *key = read_key(key_base, key_count);
  X509 *certificate = X509_new();
  BIO *bio = BIO_new(BIO_s_mem());
  // An hour of leeway for a clock that is behind.
  bool complete =
      key && certificate && bio && X509_set_version(certificate, X509_VERSION_3) &&
      set_serial(certificate) && set_subject(certificate) &&
      X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
      X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * 86400) &&
      X509_set_pubkey(certificate, key) &&
      add_extension(certificate, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names)) &&
      (!digest || add_extension(certificate, acme_identifier(digest))) &&
      X509_sign(certificate, key, EVP_sha256()) > 0 && PEM_write_bio_X509(bio, certificate);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return drain(bio, complete);
}
