#pragma once
// Messages as protobuf has them. Generated headers in it: for the .cc files of this room alone.
// What comes from outside is clamped to what makes sense; nothing of it is trusted to fit.
// Thread-safety: functions.

#include "gateway.pb.h"
#include "live/fleet_link/messages.h"

namespace tidegate::live::link {

namespace wire = tidegate::v1;

wire::FromGateway to_wire(const Hello& hello);
wire::FromGateway to_wire(const Report& report);
wire::FromLeader to_wire(const News& news);

Hello hello_of(const wire::Hello& from);
Report report_of(const wire::FromGateway& from);
News news_of(const wire::FromLeader& from);

}  // namespace tidegate::live::link
