#include "COpenSSL.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ticket_key {
  unsigned char name[16];
  unsigned char hmac[32];
  unsigned char cipher[32];
};
_Static_assert(sizeof(struct ticket_key) == SEGUE_TICKET_KEY_SIZE, "a ticket key has no padding");

struct ticket_keys {
  size_t count;
  struct ticket_key keys[2];
};

static int keys_index = -1;
static pthread_once_t keys_once = PTHREAD_ONCE_INIT;

static void free_keys(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number,
                      void *argument) {
  (void)parent, (void)data, (void)index, (void)number, (void)argument;
  if (pointer) OPENSSL_cleanse(pointer, sizeof(struct ticket_keys));
  free(pointer);
}

static void make_keys_index(void) {
  keys_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_keys);
}

/// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 goes on, 2 goes on and renews the ticket, 0 makes a
/// full handshake, and -1 is an error.
static int ticket_key(SSL *connection, unsigned char *name, unsigned char *iv,
                      EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt) {
  const struct ticket_keys *keys =
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), keys_index);
  if (!keys) return -1;
  const struct ticket_key *key = NULL;
  if (encrypt) {
    key = &keys->keys[0];
    memcpy(name, key->name, sizeof key->name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  } else {
    for (size_t index = 0; index < keys->count && !key; index++) {
      if (memcmp(name, keys->keys[index].name, 16) == 0) key = &keys->keys[index];
    }
    if (!key) return 0;
  }
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, sizeof key->hmac),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
      OSSL_PARAM_construct_end(),
  };
  if (!EVP_MAC_CTX_set_params(mac, parameters)) return -1;
  if (!EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypt)) return -1;
  return encrypt || key == &keys->keys[0] ? 1 : 2;
}

static bool set_ticket_keys(SSL_CTX *context, const unsigned char *keys, size_t count) {
  pthread_once(&keys_once, make_keys_index);
  struct ticket_keys *copy = count >= 1 && count <= 2 ? calloc(1, sizeof *copy) : NULL;
  if (!copy) return false;
  copy->count = count;
  memcpy(copy->keys, keys, count * SEGUE_TICKET_KEY_SIZE);
  if (!SSL_CTX_set_ex_data(context, keys_index, copy)) {
    free(copy);
    return false;
  }
  return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key) != 0;
}

SSL_CTX *segue_server_context(const unsigned char *keys, size_t count) {
  static const unsigned char scope[] = "segue";
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (!context) return NULL;
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) &&
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) &&
      // Forward secrecy and authenticated encryption only (RFC 9325 section 4.2).
      SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") &&
      SSL_CTX_set_session_id_context(context, scope, sizeof scope - 1) &&
      set_ticket_keys(context, keys, count)) {
    return context;
  }
  SSL_CTX_free(context);
  return NULL;
}
