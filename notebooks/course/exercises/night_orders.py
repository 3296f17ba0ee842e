"""The orders that exercise 00-httpx2-2 tries a learner's test on: right ones, and wrong ones.

`ex_00_httpx2_2.py` uses it. They ask on the client that the learner's test gives them.
"""

import httpx2

TEA = {"tea": 20}


async def by_post(client, url):
    return (await client.post(url, json=TEA)).status_code == 201


async def by_send(client, url):
    request = client.build_request("POST", url, json=TEA)
    return (await client.send(request)).status_code == 201


async def by_request(client, url):
    headers = {"content-type": "application/json"}
    response = await client.request("POST", url, content='{"tea": 20}', headers=headers)
    return response.status_code == 201


RIGHT = {
    "calls `client.post`": by_post,
    "calls `client.send`": by_send,
    "calls `client.request`, with its JSON written out with a space": by_request,
}


async def no_order(client, url):
    return True


async def two_orders(client, url):
    return await by_post(client, url) and await by_post(client, url)


async def put(client, url):
    return (await client.put(url, json=TEA)).status_code == 201


async def another_url(client, url):
    return await by_post(client, url + "/new")


async def another_port(client, url):
    return await by_post(client, httpx2.URL(url).copy_with(port=1))


async def many_teas(client, url):
    return (await client.post(url, json={"tea": 200})).status_code == 201


async def two_teas(client, url):
    return (await client.post(url, json={"tea": 2})).status_code == 201


async def no_for_yes(client, url):
    return not await by_post(client, url)


BROKEN = {
    "sends nothing": no_order,
    "sends it twice": two_orders,
    "asks with PUT": put,
    "asks another url": another_url,
    "asks another port": another_port,
    "orders 200": many_teas,
    "orders 2": two_teas,
    "takes 201 for a no": no_for_yes,
}
