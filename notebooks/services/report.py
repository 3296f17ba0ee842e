"""A second module that uses the weather service's client: it has imported it by its name."""

from services.weather import client


async def headline(city):
    response = await client.post("/echo", json={"headline for": city})
    response.raise_for_status()
    return response.json()["json"]
