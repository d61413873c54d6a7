#include "CNGHTTP2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

const size_t SEGUE_H2_LATER = SIZE_MAX;
const size_t SEGUE_H2_LOST = SIZE_MAX - 1;

/// Fields of one block: more than any limit of the translation, and small enough for the stack.
#define MAXIMUM_FIELDS 320

/// Octets of one block, as libnghttp2 estimates them before it compresses: 12 more for each field. A
/// block beyond it would be dropped without a word, so it is twice what readers of HTTP/1.1 take.
#define MAXIMUM_BLOCK 131072

/// libnghttp2 counts a CONTINUATION frame anew each time that a piece of its head of nine octets comes.
/// This leaves the eight frames that it allows by default, in the smallest pieces there are.
#define MAXIMUM_CONTINUATIONS (8 * 9)

struct segue_h2_session {
  nghttp2_session *inner;
  struct segue_h2_callbacks callbacks;
  void *context;
  bool is_server;
};

static struct segue_h2_frame describe(const nghttp2_frame *frame) {
  struct segue_h2_frame result = {
      .stream = frame->hd.stream_id,
      .type = frame->hd.type,
      .flags = frame->hd.flags,
      .length = (uint32_t)frame->hd.length,
  };
  switch (frame->hd.type) {
    case NGHTTP2_DATA:
      result.length -= (uint32_t)frame->data.padlen;
      break;
    case NGHTTP2_HEADERS:
      result.is_trailers = frame->headers.cat == NGHTTP2_HCAT_HEADERS;
      break;
    case NGHTTP2_RST_STREAM:
      result.code = frame->rst_stream.error_code;
      break;
    case NGHTTP2_GOAWAY:
      result.code = frame->goaway.error_code;
      break;
    default:
      break;
  }
  return result;
}

// MARK: Callbacks

static int on_begin_headers(nghttp2_session *inner, const nghttp2_frame *frame, void *user) {
  segue_h2_session *session = user;
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  if (session->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    // Without a word from the client, streams take turns instead of waiting for one another
    // (RFC 9218 section 10 leaves that to the server).
    nghttp2_extpri priority = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    nghttp2_session_change_extpri_stream_priority(inner, frame->hd.stream_id, &priority, 0);
  }
  bool is_trailers = frame->headers.cat == NGHTTP2_HCAT_HEADERS;
  session->callbacks.block_began(session->context, frame->hd.stream_id, is_trailers);
  return 0;
}

static int on_header(
    nghttp2_session *inner, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
    const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
  (void)inner;
  (void)flags;
  segue_h2_session *session = user;
  session->callbacks.field(
      session->context, frame->hd.stream_id, name, name_length, value, value_length);
  return 0;
}

static int on_invalid_header(
    nghttp2_session *inner, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
    const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
  (void)inner;
  (void)name;
  (void)name_length;
  (void)value;
  (void)value_length;
  (void)flags;
  segue_h2_session *session = user;
  session->callbacks.bad_field(session->context, frame->hd.stream_id);
  return 0;
}

static int on_frame_recv(nghttp2_session *inner, const nghttp2_frame *frame, void *user) {
  (void)inner;
  segue_h2_session *session = user;
  session->callbacks.received(session->context, describe(frame));
  return 0;
}

static int on_data_chunk(
    nghttp2_session *inner, uint8_t flags, int32_t stream, const uint8_t *octets, size_t count,
    void *user) {
  (void)inner;
  (void)flags;
  segue_h2_session *session = user;
  session->callbacks.data(session->context, stream, octets, count);
  return 0;
}

static int on_frame_send(nghttp2_session *inner, const nghttp2_frame *frame, void *user) {
  (void)inner;
  segue_h2_session *session = user;
  session->callbacks.sent(session->context, describe(frame));
  return 0;
}

static int on_stream_close(nghttp2_session *inner, int32_t stream, uint32_t code, void *user) {
  (void)inner;
  segue_h2_session *session = user;
  session->callbacks.closed(session->context, stream, code);
  return 0;
}

static int send_data(
    nghttp2_session *inner, nghttp2_frame *frame, const uint8_t *head, size_t length,
    nghttp2_data_source *source, void *user) {
  (void)inner;
  (void)source;
  segue_h2_session *session = user;
  return session->callbacks.payload(session->context, frame->hd.stream_id, head, length)
             ? 0
             : NGHTTP2_ERR_WOULDBLOCK;
}

static ssize_t read_source(
    nghttp2_session *inner, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
    nghttp2_data_source *source, void *user) {
  (void)inner;
  (void)buffer;
  (void)source;
  segue_h2_session *session = user;
  struct segue_h2_supply supply = session->callbacks.supply(session->context, stream, length);
  if (supply.count == SEGUE_H2_LATER) return NGHTTP2_ERR_DEFERRED;
  if (supply.count > length) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (supply.is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (supply.has_trailers) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  return (ssize_t)supply.count;
}

static nghttp2_session_callbacks *make_callbacks(void) {
  nghttp2_session_callbacks *callbacks;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
  return callbacks;
}

// MARK: Life

static int introduce(nghttp2_session *inner, bool is_server, struct segue_h2_limits limits) {
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits.frame},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.header_list},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
      {is_server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
       is_server ? limits.concurrent_streams : 0},
  };
  size_t count = sizeof settings / sizeof *settings;
  int result = nghttp2_submit_settings(inner, NGHTTP2_FLAG_NONE, settings, count);
  if (result != 0) return result;
  return nghttp2_session_set_local_window_size(
      inner, NGHTTP2_FLAG_NONE, 0, (int32_t)limits.connection_window);
}

segue_h2_session *segue_h2_new(
    bool is_server, struct segue_h2_limits limits, const struct segue_h2_callbacks *callbacks) {
  segue_h2_session *session = calloc(1, sizeof *session);
  nghttp2_session_callbacks *inner_callbacks = make_callbacks();
  nghttp2_option *option = NULL;
  int result = -1;
  if (session != NULL && inner_callbacks != NULL && nghttp2_option_new(&option) == 0) {
    session->callbacks = *callbacks;
    session->is_server = is_server;
    // Credit is given back when the reader has taken the octets, not when they arrive.
    nghttp2_option_set_no_auto_window_update(option, 1);
    // A closed stream is kept only to order others by it, which RFC 9113 no longer does.
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, MAXIMUM_BLOCK);
    nghttp2_option_set_max_continuations(option, MAXIMUM_CONTINUATIONS);
    result = is_server
                 ? nghttp2_session_server_new2(&session->inner, inner_callbacks, session, option)
                 : nghttp2_session_client_new2(&session->inner, inner_callbacks, session, option);
    if (result == 0) result = introduce(session->inner, is_server, limits);
  }
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(inner_callbacks);
  if (result == 0) return session;
  if (session != NULL) nghttp2_session_del(session->inner);
  free(session);
  return NULL;
}

void segue_h2_set_context(segue_h2_session *session, void *context) {
  session->context = context;
}

void segue_h2_free(segue_h2_session *session) {
  nghttp2_session_del(session->inner);
  free(session);
}

// MARK: Octets

int segue_h2_receive(segue_h2_session *session, const uint8_t *octets, size_t count) {
  ssize_t result = nghttp2_session_mem_recv(session->inner, octets, count);
  return result < 0 ? (int)result : 0;
}

ptrdiff_t segue_h2_pull(segue_h2_session *session, const uint8_t **octets) {
  return nghttp2_session_mem_send(session->inner, octets);
}

bool segue_h2_wants_read(segue_h2_session *session) {
  return nghttp2_session_want_read(session->inner) != 0;
}

bool segue_h2_wants_write(segue_h2_session *session) {
  return nghttp2_session_want_write(session->inner) != 0;
}

// MARK: Messages

/// Points `pairs` at `fields`; what they point at is copied by whoever takes them.
static bool make_pairs(
    nghttp2_nv *pairs, const uint8_t *octets, const struct segue_h2_field *fields, size_t count) {
  if (count > MAXIMUM_FIELDS) return false;
  for (size_t index = 0; index < count; index++) {
    pairs[index] = (nghttp2_nv){
        .name = (uint8_t *)octets + fields[index].name_start,
        .value = (uint8_t *)octets + fields[index].value_start,
        .namelen = fields[index].name_length,
        .valuelen = fields[index].value_length,
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
  }
  return true;
}

static const nghttp2_data_provider provider = {
    .source = {.ptr = NULL},
    .read_callback = read_source,
};

int segue_h2_submit_interim(
    segue_h2_session *session, int32_t stream, const uint8_t *octets,
    const struct segue_h2_field *fields, size_t count) {
  nghttp2_nv pairs[MAXIMUM_FIELDS];
  if (!make_pairs(pairs, octets, fields, count)) return NGHTTP2_ERR_INVALID_ARGUMENT;
  return nghttp2_submit_headers(
      session->inner, NGHTTP2_FLAG_NONE, stream, NULL, pairs, count, NULL);
}

int segue_h2_submit_response(
    segue_h2_session *session, int32_t stream, const uint8_t *octets,
    const struct segue_h2_field *fields, size_t count, bool has_body) {
  nghttp2_nv pairs[MAXIMUM_FIELDS];
  if (!make_pairs(pairs, octets, fields, count)) return NGHTTP2_ERR_INVALID_ARGUMENT;
  return nghttp2_submit_response(
      session->inner, stream, pairs, count, has_body ? &provider : NULL);
}

int segue_h2_submit_trailers(
    segue_h2_session *session, int32_t stream, const uint8_t *octets,
    const struct segue_h2_field *fields, size_t count) {
  nghttp2_nv pairs[MAXIMUM_FIELDS];
  if (!make_pairs(pairs, octets, fields, count)) return NGHTTP2_ERR_INVALID_ARGUMENT;
  return nghttp2_submit_trailer(session->inner, stream, pairs, count);
}

int32_t segue_h2_submit_request(
    segue_h2_session *session, const uint8_t *octets, const struct segue_h2_field *fields,
    size_t count, bool has_body) {
  nghttp2_nv pairs[MAXIMUM_FIELDS];
  if (!make_pairs(pairs, octets, fields, count)) return NGHTTP2_ERR_INVALID_ARGUMENT;
  return nghttp2_submit_request(
      session->inner, NULL, pairs, count, has_body ? &provider : NULL, NULL);
}

int segue_h2_resume(segue_h2_session *session, int32_t stream) {
  return nghttp2_session_resume_data(session->inner, stream);
}

int segue_h2_reset(segue_h2_session *session, int32_t stream, uint32_t code) {
  return nghttp2_submit_rst_stream(session->inner, NGHTTP2_FLAG_NONE, stream, code);
}

int segue_h2_ping(segue_h2_session *session) {
  return nghttp2_submit_ping(session->inner, NGHTTP2_FLAG_NONE, NULL);
}

int segue_h2_consume(segue_h2_session *session, int32_t stream, size_t count) {
  return nghttp2_session_consume(session->inner, stream, count);
}

int segue_h2_consume_connection(segue_h2_session *session, size_t count) {
  return nghttp2_session_consume_connection(session->inner, count);
}

// MARK: The end

int segue_h2_announce_shutdown(segue_h2_session *session) {
  return nghttp2_submit_shutdown_notice(session->inner);
}

int segue_h2_shut_down(segue_h2_session *session) {
  int32_t last = nghttp2_session_get_last_proc_stream_id(session->inner);
  return nghttp2_submit_goaway(
      session->inner, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

int32_t segue_h2_last_stream(segue_h2_session *session) {
  return nghttp2_session_get_last_proc_stream_id(session->inner);
}

const char *segue_h2_reason(int error) { return nghttp2_strerror(error); }

bool segue_h2_is_bad_preface(int error) { return error == NGHTTP2_ERR_BAD_CLIENT_MAGIC; }

bool segue_h2_is_flood(int error) {
  return error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_SETTINGS ||
         error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
}
