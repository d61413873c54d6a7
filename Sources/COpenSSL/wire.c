#include "COpenSSL.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void segue_octets_free(struct segue_octets octets) {
  // Some of them are private keys.
  if (octets.base) OPENSSL_cleanse(octets.base, octets.count);
  free(octets.base);
}

static int wire_read(BIO *bio, char *into, size_t count, size_t *read) {
  struct segue_wire *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *read = 0;
  if (wire->input_count == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  if (wire->input_allowance == 0) {
    wire->exceeded = true;
    return 0;
  }
  if (count > wire->input_count) count = wire->input_count;
  if (count > wire->input_allowance) count = wire->input_allowance;
  memcpy(into, wire->input, count);
  wire->input += count;
  wire->input_count -= count;
  wire->input_allowance -= count;
  *read = count;
  return 1;
}

static bool reserve(struct segue_wire *wire, size_t count) {
  size_t end = wire->output_start + wire->output_count;
  if (count <= wire->output_capacity - end) return true;
  if (wire->output_start > 0) {
    memmove(wire->output, wire->output + wire->output_start, wire->output_count);
    wire->output_start = 0;
    if (count <= wire->output_capacity - wire->output_count) return true;
  }
  if (count > SIZE_MAX / 4 || wire->output_count > SIZE_MAX / 4) return false;
  size_t capacity = wire->output_capacity * 2;
  if (capacity < wire->output_count + count) capacity = wire->output_count + count;
  unsigned char *larger = realloc(wire->output, capacity);
  if (!larger) return false;
  wire->output = larger;
  wire->output_capacity = capacity;
  return true;
}

static int wire_write(BIO *bio, const char *from, size_t count, size_t *written) {
  struct segue_wire *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *written = 0;
  if (!reserve(wire, count)) return 0;
  memcpy(wire->output + wire->output_start + wire->output_count, from, count);
  wire->output_count += count;
  *written = count;
  return 1;
}

static long wire_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *wire_method;
static pthread_once_t wire_once = PTHREAD_ONCE_INIT;

static void make_wire_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
  if (!method) return;
  BIO_meth_set_read_ex(method, wire_read);
  BIO_meth_set_write_ex(method, wire_write);
  BIO_meth_set_ctrl(method, wire_control);
  wire_method = method;
}

bool segue_wire_attach(SSL *connection, struct segue_wire *wire) {
  pthread_once(&wire_once, make_wire_method);
  BIO *bio = wire_method ? BIO_new(wire_method) : NULL;
  if (!bio) return false;
  BIO_set_data(bio, wire);
  BIO_set_init(bio, 1);
  // Both directions hold the same one, and this takes the only reference (SSL_set_bio(3)).
  SSL_set_bio(connection, bio, bio);
  return true;
}

void segue_wire_sent(struct segue_wire *wire, size_t count) {
  if (count < wire->output_count) {
    wire->output_start += count;
    wire->output_count -= count;
    return;
  }
  segue_wire_clear(wire);
}

void segue_wire_clear(struct segue_wire *wire) {
  free(wire->output);
  wire->output = NULL;
  wire->output_start = wire->output_count = wire->output_capacity = 0;
}
