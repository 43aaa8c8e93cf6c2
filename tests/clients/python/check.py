"""An independent client: knows Headwater by its proto alone, publishes, asks and checks the answers.

`run` beside this file makes the stubs, starts a server and calls this. It can be pointed at any
server that has no other events, for the checks of ranks take the whole list.
"""

import argparse
import re
import sys
import time
import urllib.error
import urllib.request
import uuid

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from headwater.v1 import catalog_service_pb2 as catalog_pb2
from headwater.v1 import catalog_service_pb2_grpc as catalog_grpc
from headwater.v1 import event_pb2, item_pb2
from headwater.v1 import event_service_pb2 as events_pb2
from headwater.v1 import event_service_pb2_grpc as events_grpc
from headwater.v1 import model_service_pb2 as models_pb2
from headwater.v1 import model_service_pb2_grpc as models_grpc
from headwater.v1 import profile_service_pb2 as profiles_pb2
from headwater.v1 import profile_service_pb2_grpc as profiles_grpc
from headwater.v1 import recommender_service_pb2 as recommender_pb2
from headwater.v1 import recommender_service_pb2_grpc as recommender_grpc

DEADLINE_SECONDS = 30
CALL_SECONDS = 10
HOUR_MS = 3_600_000
# The last is the oldest, so that nobody has its items near the top before they are clicked.
CATEGORIES = ("sport", "music", "science")
CLICKED_CATEGORY = "science"
ITEMS_PER_CATEGORY = 8
FILES = (catalog_pb2, events_pb2, models_pb2, profiles_pb2, recommender_pb2)


class CheckFailed(Exception):
    """An answer was not what the proto promises."""


def expect(condition, message):
    if not condition:
        raise CheckFailed(message)


def expect_equal(found, expected, what):
    expect(found == expected, f"{what} is {found!r}, expected {expected!r}")


def eventually(what, attempt):
    """Calls `attempt` until it returns something true, which it hands on."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    last = None
    while time.monotonic() < deadline:
        try:
            if found := attempt():
                return found
        except (grpc.RpcError, urllib.error.URLError, ConnectionError) as error:
            last = error
        time.sleep(0.02)
    raise CheckFailed(f"not within {DEADLINE_SECONDS} s: {what}; last error: {last}")


def expect_status(call, request, codes, pattern):
    """The call must fail with one of the codes and a message that names what is wrong."""
    try:
        call(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        expect(error.code() in codes, f"code is {error.code()}, expected one of {codes}: {error.details()}")
        expect(re.search(pattern, error.details()), f"message {error.details()!r} does not match {pattern!r}")
    else:
        raise CheckFailed(f"was answered, expected one of {codes}: {request}")


def timestamp(millis):
    return Timestamp(seconds=millis // 1000, nanos=millis % 1000 * 1_000_000)


def position(answer):
    return {item.item_id: item.rank for item in answer.items}


class Client:
    """The five services on one channel."""

    def __init__(self, channel):
        self.channel = channel
        self.recommender = recommender_grpc.RecommenderServiceStub(channel)
        self.events = events_grpc.EventServiceStub(channel)
        self.catalog = catalog_grpc.CatalogServiceStub(channel)
        self.profiles = profiles_grpc.ProfileServiceStub(channel)
        self.models = models_grpc.ModelServiceStub(channel)

    def recommend(self, **fields):
        request = recommender_pb2.RecommendRequest(explain=True, **fields)
        answer = self.recommender.Recommend(request, timeout=CALL_SECONDS)
        check_list(answer, fields.get("n", 10))
        return answer

    def get_item(self, item_id):
        request = catalog_pb2.GetItemRequest(item_id=item_id)
        return self.catalog.GetItem(request, timeout=CALL_SECONDS).item


def check_contributions(scored):
    """In order, as doubles, to the last bit: an explanation is the computation."""
    expect(scored.contributions, f"{scored.item_id} has no contributions")
    total = 0.0
    for part in scored.contributions:
        known = ("interest", "next", "covisits", "neighbours", "own", "popularity", "recency", "boost")
        expect(part.feature in known, f"feature {part.feature!r}")
        expect_equal(part.contribution, part.weight * part.value, f"{part.feature} of {scored.item_id}")
        total += part.contribution
    expect_equal(total, scored.score, f"the sum of the contributions to {scored.item_id}")


def check_list(answer, n):
    """What holds for every ranked list."""
    expect(len(answer.items) <= n, f"{len(answer.items)} items, asked for {n}")
    expect_equal([item.rank for item in answer.items], list(range(1, len(answer.items) + 1)), "ranks")
    ids = [item.item_id for item in answer.items]
    expect_equal(len(set(ids)), len(ids), "the number of different items")
    order = [(-item.score, item.item_id) for item in answer.items]
    expect_equal(order, sorted(order), "the order by falling score, then item id,")
    expect(answer.recommendation_id, "recommendation_id is empty")
    expect(answer.model.name and answer.model.version, f"model is {answer.model}")
    expect(answer.HasField("as_of"), "as_of is not set")
    for item in answer.items:
        check_contributions(item)


def check_health(client):
    health = health_pb2_grpc.HealthStub(client.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    request = health_pb2.HealthCheckRequest()
    eventually("health is SERVING", lambda: health.Check(request, timeout=CALL_SECONDS).status == serving)


def check_reflection(client):
    """The server describes the same services and methods as the proto that the stubs came from."""
    database = ProtoReflectionDescriptorDatabase(client.channel)
    services = set(database.get_services())
    expect("grpc.health.v1.Health" in services, f"reflection lists {services}")
    pool = DescriptorPool(database)
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            expect(service.full_name in services, f"reflection lists {services}, not {service.full_name}")
            reflected = pool.FindServiceByName(service.full_name)
            methods = [(m.name, m.input_type.full_name, m.output_type.full_name) for m in service.methods]
            found = [(m.name, m.input_type.full_name, m.output_type.full_name) for m in reflected.methods]
            expect_equal(found, methods, f"the methods of {service.full_name}")


def make_items(run, now):
    """Each item an hour older than the one before, so that recency puts them in this order."""
    items = []
    for category in CATEGORIES:
        for number in range(ITEMS_PER_CATEGORY):
            age = (len(items) + 1) * HOUR_MS
            items.append(
                item_pb2.Item(
                    item_id=f"{run}-{category}-{number}",
                    categories=[f"{run}-{category}"],
                    created_at=timestamp(now - age),
                    available=True,
                    attributes={"language": "en"},
                    title=f"{category} {number}",
                )
            )
    return items


def check_catalog(client, items):
    answer = client.catalog.PutItems(catalog_pb2.PutItemsRequest(items=items), timeout=CALL_SECONDS)
    expect_equal(answer.accepted, len(items), "accepted items")
    for item in items:
        found = eventually(f"GetItem gives {item.item_id}", lambda: client.get_item(item.item_id))
        expect_equal(found, item, "the item")


def check_publish(client, run, user, clicked, ts):
    """A click, its retry, and an event that is not valid: one counts."""
    click = event_pb2.Event(event_id=f"{run}-click", user_id=user, item_id=clicked, type="click", ts=timestamp(ts))
    invalid = event_pb2.Event(item_id=clicked, type="click", ts=timestamp(ts))
    request = events_pb2.PublishRequest(events=[click, invalid, click])
    answer = client.events.Publish(request, timeout=CALL_SECONDS)
    expect_equal(answer.accepted, 2, "accepted events")
    expect_equal([rejected.index for rejected in answer.rejected], [1], "the places of rejected events")
    expect("user_id" in answer.rejected[0].reason, f"reason {answer.rejected[0].reason!r} does not name user_id")


def check_click_moves_the_list(client, run, user, items):
    every = len(items)
    related = [item.item_id for item in items if f"{run}-{CLICKED_CATEGORY}" in item.categories]
    clicked, unseen = related[0], related[1:]

    def whole_list():
        answer = client.recommend(user_id=user, n=every)
        return answer if len(answer.items) == every else None

    before = eventually("a new user gets every item", whole_list)
    expect(not before.HasField("profile_as_of"), "profile_as_of is set for a user with no event")
    expect(not before.degraded, f"degraded: {before.degraded_reason}")

    ts = time.time_ns() // 1_000_000 - 1000
    check_publish(client, run, user, clicked, ts)

    def with_click():
        answer = client.recommend(user_id=user, n=every)
        return answer if answer.HasField("profile_as_of") else None

    after = eventually("the click is in the answer", with_click)
    expect_equal(after.profile_as_of, timestamp(ts), "profile_as_of")
    expect_equal(len(after.items), every - 1, "the number of items without the clicked one")
    was, now = position(before), position(after)
    expect(clicked not in now, "the clicked item is in the list")
    for item_id in unseen:
        expect(now[item_id] < was[item_id], f"{item_id} went from rank {was[item_id]} to {now[item_id]}")
    interest = {
        item.item_id: sum(part.value for part in item.contributions if part.feature == "interest")
        for item in after.items
    }
    for item_id, value in interest.items():
        expect((value > 0) == (item_id in unseen), f"interest in {item_id} is {value}")

    seen = client.recommend(user_id=user, n=every, include_seen=True)
    expect(clicked in position(seen), "the clicked item is not in the list with include_seen")
    ten = client.recommend(user_id=user, n=10)
    expect_equal(len(ten.items), 10, "the number of items for n=10")
    return clicked, after


def check_as_of(client, user, instant):
    """Asked twice for one instant, the answer is the same; Explain tells the same scores."""
    first = client.recommend(user_id=user, n=5, as_of=instant)
    second = client.recommend(user_id=user, n=5, as_of=instant)
    expect_equal(first.as_of, instant, "as_of")
    expect_equal(list(second.items), list(first.items), "the list of the same instant")
    for item in first.items:
        request = recommender_pb2.ExplainRequest(user_id=user, item_id=item.item_id, as_of=instant)
        explained = client.recommender.Explain(request, timeout=CALL_SECONDS)
        check_contributions(explained)
        expect_equal(explained.score, item.score, f"the explained score of {item.item_id}")
        expect_equal(explained.excluded, "", f"why {item.item_id} is excluded")


def check_profile(client, run, user, clicked):
    answer = client.profiles.GetProfile(profiles_pb2.GetProfileRequest(user_id=user), timeout=CALL_SECONDS)
    expect_equal([event.item_id for event in answer.recent_events], [clicked], "the recent events")
    expect(answer.windows, "the profile has no windows")
    for window in answer.windows:
        expect_equal(window.events, 1, f"events in {window.window}")
        expect_equal([c.category for c in window.categories], [f"{run}-{CLICKED_CATEGORY}"], "categories")
        expect_equal(dict(window.categories[0].events_by_type), {"click": 1}, "events by type")


def check_session(client, items):
    """A session with no user is known by what it looked at."""
    looked_at = items[-1]
    answer = client.recommend(context_item_ids=[looked_at.item_id], n=ITEMS_PER_CATEGORY - 2)
    expect_equal(len(answer.items), ITEMS_PER_CATEGORY - 2, "the number of items for a session")
    expect(looked_at.item_id not in position(answer), "the session's own item is in its list")
    category = {item.item_id: item.categories[0] for item in items}
    for item in answer.items:
        expect_equal(category[item.item_id], looked_at.categories[0], f"the category of {item.item_id}")


def check_filter(client, run, user):
    wanted = recommender_pb2.Filter(categories_any=[f"{run}-music"], attributes={"language": "en"})
    answer = client.recommend(user_id=user, filter=wanted)
    expect_equal(len(answer.items), ITEMS_PER_CATEGORY, "the number of items through the filter")
    expect(all(f"{run}-music-" in item.item_id for item in answer.items), "an item passed the filter wrongly")


def check_models(client, answer):
    """The model that answered is one that is listed, and its weights are those in the answer."""
    listed = client.models.ListModels(models_pb2.ListModelsRequest(), timeout=CALL_SECONDS)
    expect(answer.model in listed.models, f"{answer.model} is not among {listed.models}")
    expect_equal(answer.model.name, listed.default_model, "the model of an answer that asked for none")
    model = client.models.GetModel(models_pb2.GetModelRequest(), timeout=CALL_SECONDS)
    expect_equal(model.model, answer.model, "the default model")
    for part in answer.items[0].contributions:
        if part.feature in model.weights:
            expect_equal(part.weight, model.weights[part.feature], f"the weight of {part.feature}")


def check_trending(client, clicked):
    # Pools of now are refreshed once a second.
    def trends():
        answer = client.recommender.Trending(recommender_pb2.TrendingRequest(n=5), timeout=CALL_SECONDS)
        return answer if answer.items else None

    answer = eventually("the click trends", trends)
    expect_equal([item.item_id for item in answer.items[:1]], [clicked], "the first trending item")
    expect_equal(answer.items[0].recent, 1, "its recent interactions")


def check_errors(client, user):
    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    request = recommender_pb2.RecommendRequest
    recommend = client.recommender.Recommend
    expect_status(recommend, request(user_id=user, n=1001), [invalid], r"\bn\b.*1000")
    expect_status(recommend, request(user_id=user, model="no-such-model"), [missing, invalid], "no-such-model")
    expect_status(recommend, request(user_id="u" * 257), [invalid], r"\buser_id\b")
    get_item = catalog_pb2.GetItemRequest(item_id="no-such-item")
    expect_status(client.catalog.GetItem, get_item, [missing], "no-such-item")
    get_model = models_pb2.GetModelRequest(name="no-such-model")
    expect_status(client.models.GetModel, get_model, [missing, invalid], "no-such-model")


def check_delete(client, user, items):
    ids = [item.item_id for item in items]
    answer = client.catalog.DeleteItems(catalog_pb2.DeleteItemsRequest(item_ids=ids), timeout=CALL_SECONDS)
    expect_equal(answer.accepted, len(ids), "accepted deletions")
    eventually("no deleted item is in the list", lambda: not set(ids) & set(position(client.recommend(user_id=user))))
    request = catalog_pb2.GetItemRequest(item_id=ids[0])
    expect_status(client.catalog.GetItem, request, [grpc.StatusCode.NOT_FOUND], re.escape(ids[0]))


def is_ready(url):
    with urllib.request.urlopen(url, timeout=CALL_SECONDS) as answer:
        return answer.status == 200


def check_metrics(url):
    """Both formats of the metrics, by strict parsers: they tell of the same series."""

    def scrape(accept, families):
        request = urllib.request.Request(url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
            media = answer.headers.get_content_type()
            expect_equal(media, accept, "the content type of the metrics")
            samples = (sample for family in families(answer.read().decode()) for sample in family.samples)
            return {(sample.name, *sorted(sample.labels.items())) for sample in samples}

    opened = scrape("application/openmetrics-text", open_metrics_families)
    text = scrape("text/plain", text_families)
    expect(len(text) > 100, f"there are only {len(text)} series")
    expect_equal(opened ^ text, set(), "what only one of the formats tells")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT", help="the gRPC address")
    parser.add_argument("--ready", metavar="URL", help="wait until this URL answers with 200")
    parser.add_argument("--metrics", metavar="URL", help="check the metrics of this URL, too")
    args = parser.parse_args()
    if args.ready:
        eventually(f"{args.ready} answers with 200", lambda: is_ready(args.ready))

    run = f"check-{uuid.uuid4().hex[:8]}"
    user = f"{run}-user"
    items = make_items(run, time.time_ns() // 1_000_000)
    with grpc.insecure_channel(args.server) as channel:
        client = Client(channel)
        check_health(client)
        check_reflection(client)
        check_catalog(client, items)
        clicked, answer = check_click_moves_the_list(client, run, user, items)
        check_as_of(client, user, answer.as_of)
        check_profile(client, run, user, clicked)
        check_session(client, items)
        check_filter(client, run, user)
        check_models(client, answer)
        check_trending(client, clicked)
        check_errors(client, user)
        check_delete(client, user, items)
    if args.metrics:
        check_metrics(args.metrics)
    print("the independent client's checks passed")


if __name__ == "__main__":
    try:
        main()
    except CheckFailed as failure:
        sys.exit(f"check failed: {failure}")
