/// HTTP/2 framing and header compression by the system's libnghttp2, cut down to what a translating
/// server needs, and to the client that tests it.
///
/// A session is a machine in memory: octets from the wire go in by ``segue_h2_receive``, what
/// happened comes out through the callbacks, octets for the wire come out of ``segue_h2_pull``.
/// Within a callback everything may be called except those two and ``segue_h2_free``. Functions
/// that return `int` give 0, or one of libnghttp2's negative error codes.

#ifndef SEGUE_CNGHTTP2_H
#define SEGUE_CNGHTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct segue_h2_session segue_h2_session;

/// A field as offsets into octets given beside it.
struct segue_h2_field {
  uint32_t name_start;
  uint32_t name_length;
  uint32_t value_start;
  uint32_t value_length;
};

/// A frame as it was received or sent: types and flags are those of RFC 9113 section 6.
struct segue_h2_frame {
  int32_t stream;
  uint8_t type;
  uint8_t flags;
  /// Octets of the payload, padding left out.
  uint32_t length;
  /// The error code of RST_STREAM and GOAWAY.
  uint32_t code;
  /// Of HEADERS: a block after the final head.
  bool is_trailers;
};

/// What a body has to give now.
struct segue_h2_supply {
  /// Octets that ``segue_h2_callbacks.payload`` would hand over.
  size_t count;
  /// Nothing follows these octets.
  bool is_last;
  /// Trailers follow, which the callee has submitted.
  bool has_trailers;
};

/// All must be set. Pointers are valid only during the call.
struct segue_h2_callbacks {
  /// A block of fields begins: a head, or trailers.
  void (*_Nonnull block_began)(void *_Nonnull context, int32_t stream, bool is_trailers);
  void (*_Nonnull field)(
      void *_Nonnull context, int32_t stream, const uint8_t *_Nullable name, size_t name_length,
      const uint8_t *_Nullable value, size_t value_length);
  /// A field broke RFC 9113 section 8.2. The library would leave it out of the message.
  void (*_Nonnull bad_field)(void *_Nonnull context, int32_t stream);
  /// A whole frame was received and found good; of HEADERS, with all its continuations.
  void (*_Nonnull received)(void *_Nonnull context, struct segue_h2_frame frame);
  void (*_Nonnull data)(
      void *_Nonnull context, int32_t stream, const uint8_t *_Nonnull octets, size_t count);
  void (*_Nonnull sent)(void *_Nonnull context, struct segue_h2_frame frame);
  void (*_Nonnull closed)(void *_Nonnull context, int32_t stream, uint32_t code);
  /// How many of at most `limit` octets of the body can be sent now.
  struct segue_h2_supply (*_Nonnull supply)(void *_Nonnull context, int32_t stream, size_t limit);
  /// Appends a DATA frame to the output: its head of nine octets, and so many of the body.
  ///
  /// Returns false when the output is full for now: the next ``segue_h2_pull`` asks again.
  bool (*_Nonnull payload)(
      void *_Nonnull context, int32_t stream, const uint8_t *_Nonnull head, size_t count);
};

struct segue_h2_limits {
  uint32_t concurrent_streams;
  uint32_t stream_window;
  uint32_t connection_window;
  uint32_t frame;
  uint32_t header_list;
};

/// `supply` of a body that has nothing now and will have more: the library asks again only after
/// ``segue_h2_resume``.
extern const size_t SEGUE_H2_LATER;
/// `supply` of a body that nobody has any more: the stream is reset.
extern const size_t SEGUE_H2_LOST;

/// - Returns: NULL when there is no memory left.
segue_h2_session *_Nullable segue_h2_new(
    bool is_server, struct segue_h2_limits limits,
    const struct segue_h2_callbacks *_Nonnull callbacks);
/// What the callbacks are given; to be set before anything else is done with the session.
void segue_h2_set_context(segue_h2_session *_Nonnull session, void *_Nonnull context);
void segue_h2_free(segue_h2_session *_Nonnull session);

/// - Returns: 0, or an error after which the session is good for nothing.
int segue_h2_receive(
    segue_h2_session *_Nonnull session, const uint8_t *_Nullable octets, size_t count);
/// The next frames for the wire, valid until the next call.
///
/// - Returns: how many octets; 0 when there is nothing to send, or nothing but what `payload` was
///   given.
ptrdiff_t segue_h2_pull(
    segue_h2_session *_Nonnull session, const uint8_t *_Nullable *_Nonnull octets);
bool segue_h2_wants_read(segue_h2_session *_Nonnull session);
bool segue_h2_wants_write(segue_h2_session *_Nonnull session);

/// Sends a head that is not the last one of its stream.
int segue_h2_submit_interim(
    segue_h2_session *_Nonnull session, int32_t stream, const uint8_t *_Nonnull octets,
    const struct segue_h2_field *_Nonnull fields, size_t count);
/// Sends a head, and then a body if there is one.
int segue_h2_submit_response(
    segue_h2_session *_Nonnull session, int32_t stream, const uint8_t *_Nonnull octets,
    const struct segue_h2_field *_Nonnull fields, size_t count, bool has_body);
int segue_h2_submit_trailers(
    segue_h2_session *_Nonnull session, int32_t stream, const uint8_t *_Nonnull octets,
    const struct segue_h2_field *_Nonnull fields, size_t count);
/// Sends a request; only a client does.
///
/// - Returns: its stream, or a negative error code.
int32_t segue_h2_submit_request(
    segue_h2_session *_Nonnull session, const uint8_t *_Nonnull octets,
    const struct segue_h2_field *_Nonnull fields, size_t count, bool has_body);
int segue_h2_resume(segue_h2_session *_Nonnull session, int32_t stream);
int segue_h2_reset(segue_h2_session *_Nonnull session, int32_t stream, uint32_t code);
int segue_h2_ping(segue_h2_session *_Nonnull session);

/// Gives the peer credit for octets of a stream and of the connection.
int segue_h2_consume(segue_h2_session *_Nonnull session, int32_t stream, size_t count);
/// Gives the peer credit for octets of the connection alone, when their stream is gone.
int segue_h2_consume_connection(segue_h2_session *_Nonnull session, size_t count);

/// GOAWAY with the highest possible stream: an announcement.
int segue_h2_announce_shutdown(segue_h2_session *_Nonnull session);
/// GOAWAY with the last stream that was taken.
int segue_h2_shut_down(segue_h2_session *_Nonnull session);
int32_t segue_h2_last_stream(segue_h2_session *_Nonnull session);

/// An error code of this library in words.
const char *_Nonnull segue_h2_reason(int error);
/// Whether the error means that the peer spoke something else than HTTP/2.
bool segue_h2_is_bad_preface(int error);
/// Whether the error means that the peer sends more than it could mean.
bool segue_h2_is_flood(int error);

#endif
