"""The course's own repair with one of the five bugs left, in the order of `BUGS`."""

from repairs.pieces import DELIVERY, LONG_IDLE, as_it_was
from repairs.repair import Repair

from course.capstone.edits import CATALOGUE, STOCK

OWN_CLIENT = """\
    async with asyncio.timeout(ANSWER_WITHIN):
        async with httpx.AsyncClient(base_url=STOCK_SYSTEM, timeout=TIMEOUT) as client:
            response = await client.get(f"/delivery/{number}")
"""
LEAVING = """\
@app.get("/catalogue")
async def catalogue(request: Request) -> StreamingResponse:
    async with (
        asyncio.timeout(ANSWER_WITHIN),
        request.app.state.client.stream("GET", "/catalogue") as response,
    ):
        response.raise_for_status()
        return StreamingResponse(response.aiter_bytes(), media_type="text/csv")
"""
LEAKING = """\
    client = request.app.state.client
    async with asyncio.timeout(ANSWER_WITHIN):
        wanted = client.build_request("GET", f"/stock/{number}")
        response = await client.send(wanted, stream=True)
        require_found(response)
        left = sum([int(line) async for line in response.aiter_lines()])
        await response.aclose()
    return {"number": number, "left": left}
"""
ONE_LEFT = [
    Repair("client per call", ((DELIVERY, OWN_CLIENT),)),
    Repair("stream", ((CATALOGUE, LEAVING),)),
    Repair("keep-alive", (LONG_IDLE,)),
    Repair("leak", ((STOCK, LEAKING),)),
    Repair("no total", (as_it_was("reviews"),)),
]
