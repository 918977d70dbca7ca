"""A FastAPI application as they are written: a path parameter, a model, JSON."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel


class Maker(BaseModel):
    """Who makes an item."""

    name: str
    country: str


class Item(BaseModel):
    """What is sold."""

    id: int
    name: str
    price: float
    tags: list[str]
    maker: Maker


MAKER = Maker(name="freastal", country="ie")

app = FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> Item:
    """One item."""
    name = f"item {number}"
    return Item(id=number, name=name, price=9.5, tags=["new", "blue"], maker=MAKER)
