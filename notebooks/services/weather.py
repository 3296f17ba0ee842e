"""The weather service's client as the article has it: one for the module, made at import.

Not to be copied: lesson 08 asks who closes it.
"""

import os

import httpx

client = httpx.AsyncClient(base_url=os.environ["WEATHER_URL"])


async def forecast(city):
    response = await client.post("/echo", json={"forecast for": city})
    response.raise_for_status()
    return response.json()["json"]
